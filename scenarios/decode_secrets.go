package scenarios

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/scenarios/mask"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// masked reads the names whose values are secrets, besides those that always are.
func (d *decoder) masked(b *block) []string {
	names := b.values(maskParams()).List("mask")
	for i, name := range names {
		if !mix.ValidName(name) {
			d.fail(resolve(b.value("mask").Content[i]), "mask: %q is no name of a header or a variable", name)
		}
	}
	d.mask = mask.New(names)
	return names
}

// withoutUser takes the user information out of the target's URL: it is sent with each request, and shown nowhere.
func (d *decoder) withoutUser(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.User == nil {
		return target // it was checked
	}
	d.user, u.User = u.User, nil
	return u.String()
}

// authorize sends the user information of the target's URL as Basic authorization (RFC 7617) with every request that has
// none of its own.
func (d *decoder) authorize(s *plan.Scenario) {
	if d.user == nil {
		return
	}
	password, _ := d.user.Password()
	value := "Basic " + base64.StdEncoding.EncodeToString([]byte(d.user.Username()+":"+password))
	for i := range s.Load.Set.Requests {
		r := &s.Load.Set.Requests[i]
		if !slices.ContainsFunc(r.Headers, func(h mix.Header) bool { return strings.EqualFold(h.Name, "Authorization") }) {
			r.Headers = append(r.Headers, mix.Header{Name: "Authorization", Value: value})
		}
	}
}
