package main

import (
	"fmt"
	"net"
)

// checkAddress refuses the value of a flag that is no address to listen on.
func checkAddress(flag, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("--%s %s is not HOST:PORT, such as 127.0.0.1:8080", flag, address)
	}
	return nil
}
