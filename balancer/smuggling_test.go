package balancer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// The rows of this table are what public suites try, written anew: Kettle's and Klein's mutations (http-request-smuggler,
// smuggler.py), the bugs that http-garden has found, the parser tests of llhttp and net/http, RFC 9112's own "must be refused".

// attack is what a client sends, and what must come of it.
type attack struct {
	name, in string
	// statuses are the answers, in order. A refusal is the last: the connection is closed.
	statuses string
	// received is what a target makes of what it gets: method, target and body of each request.
	received []string
}

// refusedRow is a request that no target may see anything whole of, nor of what is sent behind it.
func refusedRow(name, in string, status int) attack {
	return attack{name, in, strconv.Itoa(status), nil}
}

// passedRow is one request that reaches a target as given.
func passedRow(name, in, received string) attack { return attack{name, in, "200", []string{received}} }

// smuggled is what an attacker wants a target to take for a request.
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

const post = "POST /first HTTP/1.1\r\nHost: a\r\n"

// chunkedBody ends at once for whoever reads chunks; for whoever reads so many bytes the rest belongs to it.
const chunkedBody = "0\r\n\r\n" + smuggled

// framed is a request with a header that some servers take for Transfer-Encoding, and a length that others go by. It passes with the
// whole body by its length, where the header is none, or is refused.
func framed(header string) string {
	return post + header + "\r\nContent-Length: " + strconv.Itoa(len(chunkedBody)) + "\r\n\r\n" + chunkedBody
}

// attacks are the rows.
func attacks() (rows []attack) {
	add := func(more ...attack) { rows = append(rows, more...) }
	whole := "POST /first " + chunkedBody
	// Transfer-Encoding beside Content-Length, in every disguise.
	for header, status := range map[string]int{
		"Transfer-Encoding: chunked": 400, "Transfer-Encoding:chunked": 400, "Transfer-Encoding:  chunked": 400, "Transfer-Encoding:\tchunked": 400, "Transfer-Encoding: chunked\t": 400,
		"TRANSFER-ENCODING: CHUNKED": 400, "tRaNsFeR-eNcOdInG: cHuNkEd": 400, "Transfer-Encoding: chunked, identity": 400, "Transfer-Encoding: identity, chunked": 501, "Transfer-Encoding: xchunked": 501,
		"Transfer-Encoding: \"chunked\"": 501, "Transfer-Encoding: 'chunked'": 501, "Transfer-Encoding: chunk": 501, "Transfer-Encoding: chunked;x": 501, "Transfer-Encoding: [chunked]": 501, "Transfer-Encoding: ": 501,
		"Transfer-Encoding: x chunked y": 501, "Transfer-Encoding:\r\nTransfer-Encoding: chunked": 501, "Transfer-Encoding: x\r\nTransfer-Encoding: chunked": 501, "Transfer-Encoding: chunked\r\nTransfer-Encoding: x": 400,
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked": 400, " Transfer-Encoding: chunked": 400, "\tTransfer-Encoding: chunked": 400, "X: y\r\n Transfer-Encoding: chunked": 400, "X: y\r\n\tTransfer-Encoding: chunked": 400,
		"Transfer-Encoding : chunked": 400, "Transfer-Encoding\t: chunked": 400, "Transfer Encoding: chunked": 400, "Transfer Encoding:chunked": 400, "Transfer-Encoding x: chunked": 400, "Transfer\\Encoding: chunked": 400,
		"Transfer-Encoding:\n chunked": 400, "Transfer-Encoding\n : chunked": 400, "Transfer-Encoding:\r\n chunked": 501, "Transfer-Encoding\r\n : chunked": 400, "X: y\rTransfer-Encoding: chunked": 400, "X: y\nTransfer-Encoding: chunked": 400,
		"X: y\n\nTransfer-Encoding: chunked": 400, "X:\nTransfer-Encoding: chunked": 400, "X: y\r\n\rTransfer-Encoding: chunked": 400, "Tra\rnsfer-Encoding: chunked": 400, "Transfer-Encoding: chunked\r": 400, "Transfer-Encoding: chu\rnked": 400,
		"Transf\x82r-Encoding: chunked": 400, "Transfer-Encoding: ch\x96nked": 501, "Transfer-Encoding:\xffchunked": 501, "Transfer-Encoding:\xa0chunked": 501, "Transfer-Encoding: chunked\x85": 501, "Transfer-Encoding\xa0: chunked": 400,
		"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked": 400, "Transfer-Encoding: chunked\r\nConnection: close, Transfer-Encoding": 400, ":Transfer-Encoding: chunked": 400, "Transfer-Encoding;: chunked": 400,
		"\"Transfer-Encoding\": chunked": 400, "Transfer-Encoding= chunked": 400, "Transfer-Encoding": 400,
	} {
		add(refusedRow(fmt.Sprintf("with a length, %q", header), framed(header), status))
	}
	for _, header := range []string{
		"Content-Encoding: chunked", "Transfer_Encoding: chunked", "Transfer--Encoding: chunked", "Transfer-Encoding_: chunked", "_Transfer-Encoding: chunked", "Transfer.Encoding: chunked", "Transfer-%45ncoding: chunked",
		"TransferEncoding: chunked", "X-Transfer-Encoding: chunked", "TE: chunked", "Trailer: Transfer-Encoding", "X: Transfer-Encoding: chunked", "Accept: chunked\xff", "Connection: Transfer-Encoding",
		"Connection: Content-Length", "Connection: Host", "Content_Length: 3", "Content--Length: 0", "Content-Length_: 0", "X-Content-Length: 0", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAA",
		"Upgrade: TLS/1.0", "Proxy-Connection: keep-alive", "X-HTTP-Method-Override: PUT", "X-Original-URL: /smuggled", "Content-Length: " + strconv.Itoa(len(chunkedBody)),
	} {
		add(passedRow(fmt.Sprintf("by its length, %q", header), framed(header), whole))
	}
	// Each control byte, and some beyond ASCII, before, after and within.
	for c := range 0xa1 {
		if (c >= ' ' && c != 0x7f && c != 0x80 && c != 0x85 && c != 0xa0) || c == '\n' || c == 0 {
			continue // a line's end has rows of its own
		}
		b := string([]byte{byte(c)})
		for at, header := range map[string]string{
			"before the name": b + "Transfer-Encoding: chunked", "after the name": "Transfer-Encoding" + b + ": chunked", "within the name": "Transfer" + b + "Encoding: chunked",
			"before the value": "Transfer-Encoding:" + b + "chunked", "after the value": "Transfer-Encoding: chunked" + b,
		} {
			status := 400
			if c >= 0x80 && strings.HasSuffix(at, "value") {
				status = 501 // it may stand in a value: then it is another coding
			}
			add(refusedRow(fmt.Sprintf("%#02x %s", c, at), framed(header), status))
		}
	}
	// Lengths.
	for value, status := range map[string]int{
		"": 400, "+5": 400, "-5": 400, "5 5": 400, "5,5": 400, "5, 5": 400, "5,6": 400, "0x5": 400, "5.0": 400, "5e0": 400, "5_0": 400, "5;": 400, "\"5\"": 400, "five": 400, "5\x00": 400, "5\x0b": 400, "٥": 400,
		"18446744073709551621": 400, "9223372036854775808": 400, "5\r\nContent-Length: 6": 400, "6\r\nContent-Length: 5": 400, "5\r\nContent-Length:": 400, "5\r\ncontent-length: 05": 400, "5\r\n 0": 400, "5\n": 400, "5\r\nContent-Length: -5": 400,
	} {
		add(refusedRow(fmt.Sprintf("length %q", value), post+"Content-Length: "+value+"\r\n\r\nhello"+smuggled, status))
	}
	for name, header := range map[string]string{
		"a length before a colon with a space": "Content-Length : 5", "with a tab": "Content-Length\t: 5", "folded": "X: y\r\n Content-Length: 5", "first and folded": " Content-Length: 5", "two words": "Content Length: 5",
		"behind a bare CR": "X: y\rContent-Length: 5", "behind a bare LF": "X: y\nContent-Length: 5", "behind a NUL": "X: y\x00\r\nContent-Length: 5", "in a name without colon": "X\r\nContent-Length: 5",
	} {
		add(refusedRow(name, post+header+"\r\n\r\nhello"+smuggled, 400))
	}
	add(
		passedRow("a length with zeros before", post+"Content-Length: 005\r\n\r\nhello", "POST /first hello"),
		passedRow("a length with blanks around", post+"Content-Length:\t 5 \t\r\n\r\nhello", "POST /first hello"),
		passedRow("the same length twice", post+"Content-Length: 5\r\ncontent-LENGTH: 5\r\n\r\nhello", "POST /first hello"),
		passedRow("GET with a body", "GET /first HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "GET /first hello"),
		passedRow("GET with chunks", "GET /first HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "GET /first hello"),
		passedRow("DELETE with a body", "DELETE /first HTTP/1.1\r\nHost: a\r\nContent-Length: "+strconv.Itoa(len(smuggled))+"\r\n\r\n"+smuggled, "DELETE /first "+smuggled),
		passedRow("a method nobody knows", "CATS /first HTTP/1.1\r\nHost: a\r\nContent-Length: "+strconv.Itoa(len(smuggled))+"\r\n\r\n"+smuggled, "CATS /first "+smuggled),
		passedRow("POST without a body", post+"\r\n", "POST /first "),
		passedRow("POST of HTTP/1.0", "POST /first HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", "POST /first hello"),
		passedRow("Expect", post+"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", "POST /first hello"),
		passedRow("Expect of something else", post+"Expect: x\r\nContent-Length: 5\r\n\r\nhello", "POST /first hello"),
		passedRow("Expect without a body", "GET /first HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", "GET /first "),
		attack{"two requests", post + "Content-Length: 5\r\n\r\nhelloGET /second HTTP/1.1\r\nHost: a\r\n\r\n", "200 200", []string{"POST /first hello", "GET /second "}},
		attack{"an empty line between them", post + "Content-Length: 5\r\n\r\nhello\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n", "200 200", []string{"POST /first hello", "GET /second "}},
		attack{"TRACE", "TRACE /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n", "405 200", []string{"GET /second "}},
		attack{"more than the length", post + "Content-Length: 5\r\n\r\nhelloX=1", "200 400", []string{"POST /first hello"}},
		attack{"a length of 0, and a body", post + "Content-Length: 0\r\n\r\nXXXX ", "200 400", []string{"POST /first "}},
		attack{"no length, and a body", post + "\r\nhello ", "200 400", []string{"POST /first "}},
	)
	add(chunks()...)
	add(lines()...)
	return rows
}

// chunks are the rows about chunked bodies.
func chunks() (rows []attack) {
	const begin = post + "Transfer-Encoding: chunked\r\n\r\n"
	for body, content := range map[string]string{
		"5\r\nhello\r\n0\r\n\r\n": "hello", "1\r\na\r\n1\r\nb\r\n0\r\n\r\n": "ab", "A\r\n0123456789\r\n0\r\n\r\n": "0123456789", "a\r\n0123456789\r\n00\r\n\r\n": "0123456789", "005\r\nhello\r\n000\r\n\r\n": "hello",
		"5;a\r\nhello\r\n0;b=c\r\n\r\n": "hello", "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n": "hello", "5 ;a\r\nhello\r\n0\r\n\r\n": "hello", "5;a;b=c; d = e\r\nhello\r\n0\r\n\r\n": "hello", "5;\r\nhello\r\n0\r\n\r\n": "hello",
		"0\r\n\r\n": "", "0\r\nA: b\r\n\r\n": "", "0\r\nA: b\r\nC:d\r\n\r\n": "", "0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: b\r\n\r\n": "", "0\r\nContent_Length: 5\r\nX_Forwarded_For: 1.2.3.4\r\n\r\n": "",
		"2\r\n\r\n\r\n0\r\n\r\n": "\r\n", "23\r\n" + smuggled[:35] + "\r\n0\r\n\r\n": smuggled[:35], "5\t\r\nhello\r\n0\r\n\r\n": "hello",
	} {
		rows = append(rows, passedRow(fmt.Sprintf("chunks %.40q", body), begin+body, "POST /first "+content))
	}
	for _, body := range []string{
		"\r\n", "\r\n\r\n", "\n", "g\r\n", "-1\r\n", "+1\r\na\r\n", "0x1\r\na\r\n", "0X1\r\na\r\n", "0_1\r\na\r\n", "1_0\r\na\r\n", "1.0\r\na\r\n", " 1\r\na\r\n", "\t1\r\na\r\n", "\"1\"\r\na\r\n", "1,1\r\na\r\n", "1 1\r\na\r\n", "1x\r\na\r\n",
		"1\na\r\n0\r\n\r\n", "1\ra\r\n0\r\n\r\n", "1\r\r\na\r\n0\r\n\r\n", "1\r\na\n0\r\n\r\n", "1\r\na\r0\r\n\r\n", "1\r\nab\r\n0\r\n\r\n", "2\r\na\r\n0\r\n\r\n", "1\r\na0\r\n\r\n", "1\r\naXX0\r\n\r\n", "1\r\na\r\n\r\n0\r\n\r\n",
		"1;\na\r\n0\r\n\r\n", "1;a\nb\r\na\r\n0\r\n\r\n", "1;a\rb\r\na\r\n0\r\n\r\n", "1;a=\"\n\"\r\na\r\n0\r\n\r\n", "1;\x00\r\na\r\n0\r\n\r\n", "1\x00\r\na\r\n0\r\n\r\n", "1\x0b\r\na\r\n0\r\n\r\n", "2;\nxx\r\n32\r\n0\r\n\r\n" + smuggled,
		"ffffffffffffffff\r\n", "10000000000000005\r\nhello\r\n0\r\n\r\n", "fffffffffffffffffffffffff\r\n",
		"0\n\r\n", "0\r\n\n", "0\r\n\rX", "0\r\nX", "0\r\n\r\r\n", "0\rX\r\n", "00\r\nA\r\n\r\n", "0\r\nA : b\r\n\r\n", "0\r\n A: b\r\n\r\n", "0\r\nA: b\n\r\n", "0\r\nA: b\r\n c\r\n\r\n", "0\r\nA: b\x00\r\n\r\n", "0\r\n: b\r\n\r\n",
	} {
		rows = append(rows, refusedRow(fmt.Sprintf("chunks %.40q", body), begin+body+smuggled, 400))
	}
	return rows
}

// lines are the rows about first lines, hosts, versions and headers that are not about framing.
func lines() (rows []attack) {
	for line, status := range map[string]int{
		"GET  /first HTTP/1.1": 400, "GET /first  HTTP/1.1": 400, " GET /first HTTP/1.1": 400, "GET\t/first HTTP/1.1": 400, "GET /first\tHTTP/1.1": 400, "GET /first HTTP/1.1 ": 400, "GET /first": 400, "GET": 400, "GET /fi rst HTTP/1.1": 400,
		"GET /first\nHTTP/1.1": 400, "GET /first HTTP/1.1\n": 400, "GET /first\x00 HTTP/1.1": 400, "GET /first HTTP/1.2": 505, "GET /first HTTP/2.0": 505, "GET /first HTTP/0.9": 505, "GET /first HTTP/1.10": 400, "GET /first HTTP/1": 400,
		"GET /first http/1.1": 400, "GET /first HTTP/1.\xb2": 400, "GET /first HTTP /1.1": 400, "GET /first HTTP/1.1\rX: y": 400, "G\x00ET /first HTTP/1.1": 400, "GET( /first HTTP/1.1": 400, "GET /first#x HTTP/1.1": 400, "GET first HTTP/1.1": 400,
		"GET http://u:p@b/ HTTP/1.1": 400, "GET ftp://b/ HTTP/1.1": 400, "GET http:// HTTP/1.1": 400, "GET @b/ HTTP/1.1": 400, "GET /../first HTTP/1.1": 400, "CONNECT b:443 HTTP/1.1": 405, "CONNECT /first HTTP/1.1": 405,
		"PRI * HTTP/2.0": 505, "HTTP/1.1 200 OK": 400, "GET * HTTP/1.1": 400,
	} {
		rows = append(rows, refusedRow(fmt.Sprintf("line %q", line), line+"\r\nHost: a\r\n\r\n"+smuggled, status))
	}
	for _, header := range []string{
		"", "Host: a\r\nHost: b\r\n", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: a/b\r\n", "Host: a,b\x00\r\n", "Host: u@b\r\n", "Host: a\tb\r\n", "Host: a:x\r\n", "Host: a:80:80\r\n", "Host: [::1\r\n", "Host : a\r\n", " Host: a\r\n", "Host: a\r\n Host: b\r\n",
		"Host: a\nX: y\r\n", "Host: a\rX: y\r\n", "Host\x00: a\r\n", "Host: a\r\nX\r\n", "Host: a\r\n: x\r\n", "Host: a\r\nX y: z\r\n", "Host: a\r\nX: y\x00z\r\n", "Host: a\r\nX: \x0by\r\n", "Host: a\r\nX: y\x7f\r\n", "Host: a\r\nX\x01: y\r\n", "Host: a\r\nX(: y\r\n",
		"Host: a\r\n\rX: y\r\n", "Host: a\r\nX: y\r\n\tz\r\n", "Host: a\r\n\xefX: y\r\n", "Host: a\n\n", "Host: a\r\nX: y\n\r\n",
	} {
		rows = append(rows, refusedRow(fmt.Sprintf("headers %q", header), "GET /first HTTP/1.1\r\n"+header+"\r\n"+smuggled, 400))
	}
	for request, received := range map[string]string{
		"GET /first HTTP/1.1\r\nHost: a\r\n\r\n": "GET /first ", "\r\nGET /first HTTP/1.1\r\nHost: a\r\n\r\n": "GET /first ", "GET http://b/first HTTP/1.1\r\nHost: a\r\n\r\n": "GET /first ", "GET http://b?x HTTP/1.1\r\nHost: a\r\n\r\n": "GET /?x ",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n": "OPTIONS * ", "GET /first HTTP/1.1\r\nHost:\r\n\r\n": "GET /first ", "GET /first HTTP/1.1\r\nHost: [::1]:80\r\n\r\n": "GET /first ", "GET /first HTTP/1.1\r\nhOST:a.:80\r\n\r\n": "GET /first ",
		"GET /first HTTP/1.0\r\nConnection: keep-alive\r\n\r\n": "GET /first ", "GET /first?a=b/../c//d HTTP/1.1\r\nHost: a\r\n\r\n": "GET /first?a=b/../c//d ", "GET /{first} HTTP/1.1\r\nHost: a\r\n\r\n": "GET /{first} ", "GET /é HTTP/1.1\r\nHost: a\r\n\r\n": "GET /é ",
		"GET /first HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n": "GET /first ", "GET /first HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n": "GET /first ", "GET /first HTTP/1.1\r\nHost: a\r\nX: é\xff\r\n\r\n": "GET /first ", "GET /first HTTP/1.1\r\nHost: a\r\nX: a\tb\r\n\r\n": "GET /first ",
		"GET /first HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~: x\r\n\r\n": "GET /first ", "GET /first HTTP/1.1\r\nHost: a\r\nX: y: z, \"q\"; (c)\r\n\r\n": "GET /first ", "M-SEARCH /first HTTP/1.1\r\nHost: a\r\n\r\n": "M-SEARCH /first ",
		"GET /first HTTP/1.1\r\nHost: a\r\nCookie: a=b\r\nCookie: c=d\r\n\r\n": "GET /first ", "GET /first HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X, x\r\nX: y\r\n\r\n": "GET /first ", "GET /first HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("y", 8000) + "\r\n\r\n": "GET /first ",
	} {
		rows = append(rows, passedRow(fmt.Sprintf("request %.60q", request), request, received))
	}
	return rows
}

// strictRequest reads one request as the strictest of targets would: whatever could be read in two ways is an error, and io.EOF only
// stands for the end before a request.
func strictRequest(r *bufio.Reader) (received string, err error) {
	first, err := strictLine(r)
	if err != nil {
		return "", err
	}
	words := strings.Split(first, " ")
	if !strictFirst.MatchString(first) {
		return "", fmt.Errorf("the first line is %q", first)
	}
	length, chunked, hosts := int64(-1), false, 0
	for {
		l, err := strictLine(r)
		if err != nil {
			return "", partial(err)
		}
		if l == "" {
			break
		}
		name, value, ok := strings.Cut(l, ": ")
		if !ok || !strictName.MatchString(name) || value != strings.Trim(value, " \t") {
			return "", fmt.Errorf("the header %q", l)
		}
		switch folded := string(http1.AppendFolded(nil, []byte(name))); {
		case folded == "host" && strings.EqualFold(name, folded):
			hosts++
		case folded == "content-length" && strings.EqualFold(name, folded) && length < 0 && strictLength.MatchString(value):
			length, _ = strconv.ParseInt(value, 10, 64)
		case folded == "transfer-encoding" && strings.EqualFold(name, folded) && !chunked && value == "chunked":
			chunked = true
		case slices.Contains([]string{"host", "content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection", "upgrade", "http2-settings"}, folded):
			return "", fmt.Errorf("the header %q", l)
		}
	}
	if hosts != 1 || (chunked && length >= 0) {
		return "", fmt.Errorf("%d hosts, length %d, chunked %v", hosts, length, chunked)
	}
	body := make([]byte, max(length, 0))
	if chunked {
		body, err = strictChunks(r)
	} else {
		_, err = io.ReadFull(r, body)
	}
	if err != nil {
		return "", partial(err)
	}
	return words[0] + " " + words[1] + " " + string(body), nil
}

var (
	strictFirst  = regexp.MustCompile(`^[!#$%&'*+.^_|~0-9A-Za-z-]+ (/[^\x00-\x20\x7f#]*|\*) HTTP/1\.1$`)
	strictName   = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	strictLength = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})$`)
	strictSize   = regexp.MustCompile(`^(0|[1-9a-f][0-9a-f]{0,14})$`)
)

func partial(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// strictLine reads a line that ends with CRLF and holds no other control byte than tab.
func strictLine(r *bufio.Reader) (string, error) {
	l, err := r.ReadString('\n')
	if err != nil {
		if l != "" {
			err = partial(err)
		}
		return "", err
	}
	text, ok := strings.CutSuffix(l, "\r\n")
	if !ok || strings.ContainsFunc(text, func(c rune) bool { return (c < ' ' && c != '\t') || c == 0x7f }) {
		return "", fmt.Errorf("the line %q", l)
	}
	return text, nil
}

func strictChunks(r *bufio.Reader) (body []byte, err error) {
	for {
		l, err := strictLine(r)
		if err != nil {
			return nil, err
		}
		if !strictSize.MatchString(l) {
			return nil, fmt.Errorf("the chunk size %q", l)
		}
		n, _ := strconv.ParseInt(l, 16, 64)
		if n == 0 {
			break
		}
		chunk := make([]byte, n+2)
		if _, err := io.ReadFull(r, chunk); err != nil {
			return nil, err
		}
		if string(chunk[n:]) != "\r\n" {
			return nil, fmt.Errorf("a chunk ends with %q", chunk[n:])
		}
		body = append(body, chunk[:n]...)
	}
	for {
		l, err := strictLine(r)
		if err != nil || l == "" {
			return body, err
		}
		name, _, _ := strings.Cut(l, ":")
		if folded := string(http1.AppendFolded(nil, []byte(name))); slices.Contains([]string{"host", "content-length", "transfer-encoding", "x-forwarded-for"}, folded) {
			return nil, fmt.Errorf("the trailer %q", l)
		}
	}
}

// Whatever a client tries, a target gets what the balancer has understood, and nothing that anybody could read in another way: never two
// requests from one, never what was refused.
func TestSmuggling(t *testing.T) {
	var mu sync.Mutex
	var received, wrong []string
	x := rawTarget(t, func(c net.Conn, r *bufio.Reader) {
		for {
			text, err := strictRequest(r)
			mu.Lock()
			switch {
			case err == nil:
				received = append(received, text)
			case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset"):
				wrong = append(wrong, err.Error())
			}
			mu.Unlock()
			if err != nil {
				return
			}
			if _, err := io.WriteString(c, fine); err != nil {
				return
			}
		}
	})
	cfg := raws(x)
	cfg.Listeners[0].HTTP1Only = true // the preface of HTTP/2 is no request of HTTP/1.1
	r := start(t, cfg, nil)
	rows := attacks()
	refused := 0
	for _, row := range rows {
		if row.received == nil {
			refused++
		}
		for _, piece := range []int{len(row.in), 1} { // at once, and byte by byte
			if len(row.in) > 2000 && piece == 1 {
				continue
			}
			mu.Lock()
			received, wrong = nil, nil
			mu.Unlock()
			statuses := r.tell(t, row.in+last, piece)
			wantStatuses, want := row.statuses, row.received
			if strings.HasSuffix(wantStatuses, "200") {
				wantStatuses, want = wantStatuses+" 200", append(slices.Clone(want), "GET /last ")
			}
			mu.Lock()
			if statuses != wantStatuses || !slices.Equal(received, want) || len(wrong) > 0 {
				t.Errorf("%s in pieces of %d: answered %s, want %s; the target received %q, want %q; it could not read %q", row.name, piece, statuses, wantStatuses, received, want, wrong)
			}
			mu.Unlock()
		}
	}
	if len(rows) < 300 || refused < 200 || len(rows)-refused < 60 {
		t.Errorf("only %d rows, %d of them refused", len(rows), refused)
	}
}

// last is what a client sends after each row: a request that is answered where the row is, and never reaches a target where the row is
// refused.
const last = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

// tell sends bytes in pieces on a connection of their own and returns the statuses of the answers. A refused client may not get rid of
// all it has to say.
func (r *running) tell(t *testing.T, in string, piece int) string {
	t.Helper()
	c, rd := r.dial(t)
	defer c.Close()
	for rest := in; rest != ""; {
		n := min(piece, len(rest))
		if _, err := io.WriteString(c, rest[:n]); err != nil {
			break
		}
		rest = rest[n:]
	}
	var statuses []string
	for {
		res, err := http.ReadResponse(rd, nil)
		if err != nil {
			if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
				t.Errorf("%.60q: %v", in, err)
			}
			return strings.Join(statuses, " ")
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Errorf("%.60q: %v", in, err)
		}
		if res.StatusCode >= 200 {
			statuses = append(statuses, strconv.Itoa(res.StatusCode))
		}
	}
}

// What a listener writes into the head itself, a client can't write into the trailer.
func TestTrailersDoNotStandForTheListener(t *testing.T) {
	const own = "Forwarded: for=192.0.2.6\r\nVia: 1.1 forged\r\nX-Request-Id: forged\r\n"
	for _, passed := range []bool{true, false} {
		x := rawTarget(t, answering(fine))
		cfg := raws(x)
		if !passed {
			cfg.Listeners[0].Options = config.Options{Forwarded: true, Via: "lb", RequestID: "X-Request-Id"}
		}
		r := start(t, cfg, nil)
		for _, body := range []string{"1\r\nx\r\n0\r\n" + own + "X-Sum: 1\r\n\r\n", "1\r\nx\r\n|0\r\n" + own + "X-Sum: 1\r\n\r\n"} {
			c, rd := r.dial(t)
			began, rest, later := strings.Cut(body, "|")
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"+began)
			if later {
				underWay(t, r)
				_, _ = io.WriteString(c, rest)
			}
			head(t, rd)
			c.Close()
		}
		r.stop()
		if text := x.text(); strings.Count(text, "\r\n"+own) != map[bool]int{true: 2}[passed] || strings.Count(text, "X-Sum: 1") != 2 {
			t.Errorf("passed %v: %q", passed, text)
		}
	}
}
