package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"sync"
	"time"
)

// hostileTargets starts targets that misbehave, each in a way of its own, and returns their addresses.
func hostileTargets() (addresses []string, stop func(), err error) {
	var listeners []net.Listener
	var conns sync.Map
	stop = func() {
		for _, l := range listeners {
			l.Close()
		}
		conns.Range(func(c, _ any) bool {
			c.(net.Conn).Close()
			return true
		})
	}
	endless := bytes.Repeat([]byte("x"), 1<<20)
	for _, answer := range []func(c net.Conn){
		func(c net.Conn) { fmt.Fprint(c, "what is this?\r\n\r\n") },
		func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 11\r\n\r\n0123456789")
		},
		func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut") },
		func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n") },
		func(c net.Conn) { fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nX: %s\r\n\r\n", endless[:200_000]) },
		func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }, // resets
		func(c net.Conn) { time.Sleep(3 * time.Second) },       // answers nothing within the time for it
		func(c net.Conn) { // two answers to one request
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb")
			time.Sleep(time.Second)
		},
		func(c net.Conn) { // a large answer, for those who read slowly
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 8*len(endless))
			for range 8 {
				if _, err := c.Write(endless); err != nil {
					return
				}
			}
		},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			stop()
			return nil, nil, err
		}
		listeners = append(listeners, l)
		addresses = append(addresses, l.Addr().String())
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				conns.Store(c, nil)
				go func() {
					defer conns.Delete(c)
					defer c.Close()
					_ = c.SetDeadline(time.Now().Add(30 * time.Second))
					if _, err := bufio.NewReader(c).ReadString('\n'); err == nil {
						answer(c)
					}
				}()
			}
		}()
	}
	return addresses, stop, nil
}
