package ratelimit

import "math/bits"

// hash is 128 bits of a key.
type hash struct{ low, high uint64 }

// hashOf is SipHash-2-4 with 128 bits (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012). high is never 0.
func hashOf[T ~string | ~[]byte](seed [2]uint64, text T) hash {
	s := sip{seed[0] ^ 0x736f6d6570736575, seed[1] ^ 0x646f72616e646f6d ^ 0xee, seed[0] ^ 0x6c7967656e657261, seed[1] ^ 0x7465646279746573}
	word := uint64(0)
	for i := range len(text) {
		word |= uint64(text[i]) << (i % 8 * 8)
		if i%8 == 7 {
			s.add(word)
			word = 0
		}
	}
	s.add(word | uint64(len(text))<<56)
	s[2] ^= 0xee
	h := hash{low: s.finish()}
	s[1] ^= 0xdd
	h.high = max(s.finish(), 1)
	return h
}

// sip is the state of the hash.
type sip [4]uint64

func (s *sip) add(word uint64) {
	s[3] ^= word
	s.round()
	s.round()
	s[0] ^= word
}

func (s *sip) finish() uint64 {
	for range 4 {
		s.round()
	}
	return s[0] ^ s[1] ^ s[2] ^ s[3]
}

func (s *sip) round() {
	a, b, c, d := s[0], s[1], s[2], s[3]
	a += b
	c += d
	b = bits.RotateLeft64(b, 13) ^ a
	d = bits.RotateLeft64(d, 16) ^ c
	a = bits.RotateLeft64(a, 32)
	c += b
	a += d
	b = bits.RotateLeft64(b, 17) ^ c
	d = bits.RotateLeft64(d, 21) ^ a
	c = bits.RotateLeft64(c, 32)
	s[0], s[1], s[2], s[3] = a, b, c, d
}
