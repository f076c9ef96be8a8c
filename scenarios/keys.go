package scenarios

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/ratelimit"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// Warnings lists what a correct scenario cannot show, because of what its load lacks: strategies and limits that go by a
// key of which all requests have one value, or none; client addresses that no connection can come from; and listeners
// that get no load.
func Warnings(s *plan.Scenario) []string {
	var list []string
	if a := s.Client.Connect.Addresses; a > 1 && addressesSeen(s) < a {
		list = append(list, fmt.Sprintf("client.addresses: at most %d of %d client addresses can be seen: a connection keeps its address, and there are no more of %s",
			addressesSeen(s), a, connectionsText(s)))
	}
	if s.Topology != nil {
		if n := len(s.Topology.Listeners); n > 1 {
			list = append(list, fmt.Sprintf("listeners: the load goes to the first of %d, and the others get no request", n))
		}
		list = append(list, keyWarnings(s)...)
	}
	return list
}

// addressesSeen is from how many client addresses requests can come: each connection of an open loop, and each user of
// a closed one, has one.
func addressesSeen(s *plan.Scenario) int {
	seen := 1
	for _, p := range s.Load.Phases {
		seen = max(seen, min(s.Client.Connect.Addresses, cmp.Or(p.Users, s.Client.Connections)))
	}
	return seen
}

// connectionsText names what bounds addressesSeen.
func connectionsText(s *plan.Scenario) string {
	for _, p := range s.Load.Phases {
		if p.Users == 0 {
			return "client.connections"
		}
	}
	return "the users"
}

// keyWarnings tells of each key that the requests of the load do not differ in.
func keyWarnings(s *plan.Scenario) (list []string) {
	rules, err := s.Topology.Listeners[0].Rules.Compile(s.Seed)
	if err != nil {
		return nil // the decoder has told it
	}
	uses := append(keysOfGroups(s), keysOfLimits(rules)...)
	if len(uses) == 0 || !lookAtKeys(s, rules, uses) {
		return nil
	}
	for _, u := range uses {
		if text := u.warning(s); text != "" {
			list = append(list, fmt.Sprintf("%s by %s: %s", u.what, keyText(u.key), text))
		}
	}
	return list
}

// keyUse is a key that something goes by, and what is known of the keys that its requests have.
type keyUse struct {
	what       string // as a message calls it
	group      string // whose strategy it is; empty for a limit
	rule       *route.Rule
	key        pick.Key
	same, none string // what follows when all requests have the same key, and when none has one

	first  uint64 // the first key
	some   bool   // there is one
	differ bool   // there are several
	lack   bool   // a request has none
}

// keysOfGroups lists the strategies that go by a key. With a single target there is nothing to spread over.
func keysOfGroups(s *plan.Scenario) (list []*keyUse) {
	for i := range s.Topology.Groups {
		g := &s.Topology.Groups[i]
		k, ok := strategyKey(g)
		if !ok || (g.Targets.Count < 2 && !scales(s, g.Name)) {
			continue
		}
		same := "so one target gets them all"
		if g.Strategy.Kind == "bounded_hash" {
			same = "so they fill one target up to its bound, and then the next"
		}
		list = append(list, &keyUse{
			what: fmt.Sprintf("group %s: %s", g.Name, g.Strategy.Kind), group: g.Name, key: k,
			same: same, none: "so each goes to any target, as with random",
		})
	}
	return list
}

// keysOfLimits lists the limits that go by a key.
func keysOfLimits(rules route.Table) (list []*keyUse) {
	const shared = "so they share one limit, as with by: everybody"
	for i := range rules {
		r := &rules[i]
		if r.Limit == nil || r.Limit.By.From == ratelimit.Everybody {
			continue
		}
		list = append(list, &keyUse{
			what: fmt.Sprintf("rule for %s: limit", cmp.Or(r.Path, "every path")), rule: r, key: r.Limit.By, same: shared, none: shared,
		})
	}
	return list
}

// strategyKey returns what the group's strategy takes keys from; ok is false when it wants none.
func strategyKey(g *plan.Group) (k pick.Key, ok bool) {
	builder, err := pick.Kinds().New(g.Strategy)
	if err != nil {
		return k, false // the decoder has told it
	}
	keyed, ok := builder(draw.Stream(0)).(pick.Keyed)
	if !ok {
		return k, false
	}
	return keyed.Key(), true
}

func scales(s *plan.Scenario, group string) bool {
	for i := range s.Scaling {
		if s.Scaling[i].Group == group {
			return true
		}
	}
	return false
}

// keyText writes a key as the scenario does.
func keyText(k pick.Key) string {
	if k.Name == "" {
		return string(k.From)
	}
	return string(k.From) + ":" + k.Name
}

// samplesOfRequest is how many of the requests of a kind are looked at: what a template fills in differs from one to the
// next with a probability that leaves hardly a doubt.
const samplesOfRequest = 16

// lookAtKeys looks at some requests of every kind in the load, and at the rules and groups that they come to. It returns
// false when the load can't be read.
func lookAtKeys(s *plan.Scenario, rules route.Table, uses []*keyUse) bool {
	m, err := mix.New(s.Seed, s.Load.Set)
	if err != nil {
		return false // the decoder has told it
	}
	for i := range m.Requests() {
		for seq := range uint64(samplesOfRequest) {
			x := sampleRequest(s, m, i, seq)
			rule := rules.Match(x)
			if rule == nil {
				continue
			}
			for _, u := range uses {
				if u.rule == rule || (u.rule == nil && slices.Contains(rule.Groups(), u.group)) {
					u.add(x.Key(u.key))
				}
			}
		}
	}
	return true
}

func (u *keyUse) add(key uint64, ok bool) {
	switch {
	case !ok:
		u.lack = true
	case !u.some:
		u.first, u.some = key, true
	case key != u.first:
		u.differ = true
	}
}

// sampleRequest is how a request of the i-th kind, with what the templates fill in for a sequence number, meets the
// rules.
func sampleRequest(s *plan.Scenario, m *mix.Mix, i int, seq uint64) *route.Request {
	source := plan.Loopback
	if a := s.Client.Connect.Source(int(seq) % addressesSeen(s)); a.IsValid() {
		source = a.String()
	}
	return s.RoutedRequest(m, i, seq, s.Sender(), source)
}

// warning says what becomes of requests with such keys, where that is not what a key is for; it is empty where it is, and
// where no request of the load comes.
func (u *keyUse) warning(s *plan.Scenario) string {
	switch {
	case u.differ, !u.some && !u.lack, u.key.From == pick.Cookie && s.Client.Cookies: // targets may set it
		return ""
	case !u.some:
		return fmt.Sprintf("no request that comes to it has that %s, %s", part(u.key), u.none)
	case u.key.From == pick.Address && s.Client.Connect.Addresses < 2 && len(s.Topology.Listeners[0].Options.TrustedProxies) == 0:
		return "all requests come from one client address, " + u.same + "; set client: {addresses: N}"
	case u.key.From == pick.Address:
		return "all requests come from one client address, " + u.same
	case u.lack:
		return fmt.Sprintf("all requests that have that %s have the same value of it, %s", part(u.key), u.same)
	}
	return fmt.Sprintf("all requests that come to it have the same %s, %s", part(u.key), u.same)
}

// part names the part of a request that a key is taken from.
func part(k pick.Key) string {
	if k.From == pick.Query {
		return "parameter of the query"
	}
	return string(k.From)
}
