package main

import "unsafe"

// overwrite writes a text over an argument of the process, as the system shows it: on Linux the arguments that Go
// hands out are the very bytes that /proc/PID/cmdline reads. What is left over becomes spaces.
func overwrite(arg, text string) {
	bytes := unsafe.Slice(unsafe.StringData(arg), len(arg))
	for i := copy(bytes, text); i < len(bytes); i++ {
		bytes[i] = ' '
	}
}
