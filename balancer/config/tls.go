package config

// TLS says where a listener's certificates come from.
type TLS struct {
	Files []Pair `json:"files,omitempty"`
	// Auto is a folder with a local authority, which is made when it is not there; "" for none. Certificates are then
	// made as they are asked for.
	Auto     string `json:"auto,omitempty"`
	ClientCA string `json:"client_ca,omitempty"` // file of authorities that clients' certificates must come from
	Min      string `json:"min,omitempty"`       // the lowest version, "1.2" or "1.3"; "" stands for 1.2
}

// Pair is a certificate with its chain, and its key, both files of PEM.
type Pair struct {
	Cert string `json:"cert"`
	Key  string `json:"key"`
}

// TargetTLS is how a balancer speaks TLS to its targets.
type TargetTLS struct {
	CA       string `json:"ca,omitempty"`          // file of authorities; the system's without it
	Name     string `json:"server_name,omitempty"` // asked for and verified; the target's host without it
	Insecure bool   `json:"insecure,omitempty"`    // nothing is verified
	Cert     Pair   `json:"cert"`                  // shown to targets that ask for one
}
