package mix

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Text is a text with places that are filled in for each request. What is filled in depends on the seed, the
// expression and the request's sequence number alone: the same expression gives the same value throughout a
// request, and `{{uuid}}` and `{{uuid b}}` give two.
//
//	{{seq}}             the request's sequence number
//	{{uuid}}            a version 4 UUID
//	{{int 1 1000}}      a whole number between two, both included
//	{{pick red green}}  one of the words; "quoted" when they hold blanks
//	{{users.email}}     a column of a row of the data `users`
//	{{"{{"}}            the text between the quotes, as it stands
type Text struct {
	parts []part
	where where
}

// Literal writes a text so that nothing in it is filled in.
func Literal(s string) string { return strings.ReplaceAll(s, "{{", "{{\"{{\"}}") }

type part struct {
	literal string
	fill    func(dst []byte, seq uint64) []byte // nil for a literal
}

// where is the place a text is sent in.
type where uint8

const (
	inBody   where = iota
	inTarget       // in a request's first line: what can't stand there is percent-encoded
	inHeader       // as a header's value: it must be one line
)

// Plain returns the text when there is nothing to fill in.
func (t *Text) Plain() (string, bool) {
	switch {
	case len(t.parts) == 0:
		return "", true
	case len(t.parts) == 1 && t.parts[0].fill == nil:
		return t.parts[0].literal, true
	}
	return "", false
}

// Append appends the text of a request.
func (t *Text) Append(dst []byte, seq uint64) []byte {
	for i := range t.parts {
		p := &t.parts[i]
		if p.fill == nil {
			dst = append(dst, p.literal...)
			continue
		}
		from := len(dst)
		dst = p.fill(dst, seq)
		if t.where == inTarget {
			dst = encodeTarget(dst, from)
		}
	}
	return dst
}

// String is Append for those who have time.
func (t *Text) String(seq uint64) string {
	if s, ok := t.Plain(); ok {
		return s
	}
	return string(t.Append(nil, seq))
}

func parse(s string, seed draw.Seed, data []*Data, where where) (Text, error) {
	t := Text{where: where}
	literal := func(s string) error {
		if where == inHeader && strings.ContainsAny(s, "\r\n\x00") {
			return errors.New("it can't be sent: it is more than one line")
		}
		if where == inTarget {
			s = string(encodeTarget([]byte(s), 0))
		}
		if n := len(t.parts); n > 0 && t.parts[n-1].fill == nil {
			t.parts[n-1].literal += s
		} else if s != "" {
			t.parts = append(t.parts, part{literal: s})
		}
		return nil
	}
	for {
		before, rest, found := strings.Cut(s, "{{")
		if err := literal(before); err != nil || !found {
			return t, err
		}
		expression, after, closed := cutExpression(rest)
		if !closed {
			return t, errors.New("{{ without }}: write {{\"{{\"}} for the braces themselves")
		}
		words, err := split(expression)
		if err != nil {
			return t, fmt.Errorf("{{%s}}: %w", expression, err)
		}
		if len(words) == 1 && words[0].quoted {
			if err := literal(words[0].text); err != nil {
				return t, err
			}
		} else {
			fill, err := compile(expression, words, seed, data, where)
			if err != nil {
				return t, fmt.Errorf("{{%s}}: %w", expression, err)
			}
			t.parts = append(t.parts, part{fill: fill})
		}
		s = after
	}
}

// cutExpression cuts at the first }} that is not within quotes.
func cutExpression(s string) (expression, after string, ok bool) {
	quoted := false
	for i := 0; i+1 < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && s[i] == '}' && s[i+1] == '}':
			return s[:i], s[i+2:], true
		}
	}
	return "", "", false
}

type word struct {
	text   string
	quoted bool
}

// split cuts an expression into words at blanks; quoted ones are Go's.
func split(s string) (words []word, err error) {
	for {
		s = strings.TrimLeft(s, " \t\r\n")
		if s == "" {
			return words, nil
		}
		if s[0] == '"' {
			q, err := strconv.QuotedPrefix(s)
			if err != nil {
				return nil, errors.New("a quote is not closed")
			}
			text, err := strconv.Unquote(q)
			if err != nil {
				return nil, fmt.Errorf("%s is not a quoted text", q)
			}
			words, s = append(words, word{text, true}), s[len(q):]
			continue
		}
		i := strings.IndexAny(s, " \t\r\n")
		if i < 0 {
			i = len(s)
		}
		words, s = append(words, word{s[:i], false}), s[i:]
	}
}

var functions = []string{"seq", "uuid", "int", "pick"}

// compile makes the function that fills an expression in.
func compile(expression string, words []word, seed draw.Seed, data []*Data, where where) (func([]byte, uint64) []byte, error) {
	if len(words) == 0 {
		return nil, errors.New("nothing to fill in")
	}
	stream := seed.Stream("fill/" + strings.Join(strings.Fields(expression), " "))
	args := words[1:]
	switch name := words[0].text; name {
	case "seq":
		if len(args) > 0 {
			return nil, errors.New("seq takes nothing")
		}
		return func(dst []byte, seq uint64) []byte { return strconv.AppendUint(dst, seq, 10) }, nil
	case "uuid":
		return func(dst []byte, seq uint64) []byte {
			return appendUUID(dst, stream.Uint64(seq, 0), stream.Uint64(seq, 1))
		}, nil
	case "int":
		return compileInt(args, stream)
	case "pick":
		return compilePick(args, stream, where)
	default:
		set, column, ok := strings.Cut(name, ".")
		if !ok || len(args) > 0 {
			return nil, fmt.Errorf("unknown function %q%s: there are %s, and DATA.COLUMN", name, spec.Suggest(name, functions), strings.Join(functions, ", "))
		}
		return compileColumn(set, column, data, where)
	}
}

func compileInt(args []word, stream draw.Stream) (func([]byte, uint64) []byte, error) {
	if len(args) != 2 {
		return nil, errors.New("int takes the least and the largest, such as {{int 1 1000}}")
	}
	low, err := strconv.ParseInt(args[0].text, 10, 64)
	high, err2 := strconv.ParseInt(args[1].text, 10, 64)
	switch {
	case err != nil || err2 != nil:
		return nil, errors.New("int takes two whole numbers, such as {{int 1 1000}}")
	case high < low:
		return nil, fmt.Errorf("%d is more than %d", low, high)
	case high-low < 0 || high-low >= math.MaxInt32:
		return nil, fmt.Errorf("the span is too large: the most is %d", math.MaxInt32)
	}
	n := int(high-low) + 1
	return func(dst []byte, seq uint64) []byte {
		return strconv.AppendInt(dst, low+int64(stream.Intn(n, seq, 0)), 10)
	}, nil
}

func compilePick(args []word, stream draw.Stream, where where) (func([]byte, uint64) []byte, error) {
	if len(args) == 0 {
		return nil, errors.New("pick takes the words to choose from, such as {{pick red green}}")
	}
	for _, a := range args {
		if where == inHeader && strings.ContainsAny(a.text, "\r\n\x00") {
			return nil, errors.New("it can't be sent: it is more than one line")
		}
	}
	return func(dst []byte, seq uint64) []byte { return append(dst, args[stream.Intn(len(args), seq, 0)].text...) }, nil
}

// appendUUID writes 128 drawn bits as a version 4 UUID (RFC 9562, 5.4).
func appendUUID(dst []byte, high, low uint64) []byte {
	high = high&^0xf000 | 0x4000
	low = low&^(3<<62) | 2<<62
	const digits = "0123456789abcdef"
	for i := range 32 {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			dst = append(dst, '-')
		}
		x := high
		if i >= 16 {
			x = low
		}
		dst = append(dst, digits[x>>(60-4*(i%16))&15])
	}
	return dst
}

// encodeTarget percent-encodes what can't stand in a request's target, from a place on. What has a meaning
// there (/ ? & = %41) stays as the data has it.
func encodeTarget(b []byte, from int) []byte {
	bad := 0
	for i := from; i < len(b); i++ {
		if !targetByte(b, i) {
			bad++
		}
	}
	if bad == 0 {
		return b
	}
	in := append([]byte(nil), b[from:]...)
	b = b[:from]
	for i, c := range in {
		if targetByte(in, i) {
			b = append(b, c)
		} else {
			b = fmt.Appendf(b, "%%%02X", c)
		}
	}
	return b
}

func targetByte(b []byte, i int) bool {
	c := b[i]
	if c == '%' {
		return i+2 < len(b) && isHex(b[i+1]) && isHex(b[i+2])
	}
	return c > ' ' && c < 0x7f && strings.IndexByte("\"#<>\\^`{|}", c) < 0
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }
