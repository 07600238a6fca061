package kitv1

import (
	"encoding/json"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// Version is what "protocol" says.
const Version = 1

// Command is one line to the process. One of its members is set.
type Command struct {
	// Protocol is [Version], with Start alone.
	Protocol int `json:"protocol,omitempty"`
	// Start starts the filter.
	Start *Start `json:"start,omitempty"`
	// Request leads a request through the filter.
	Request *Request `json:"request,omitempty"`
	// AdvanceNS moves the host's clock on, in nanoseconds.
	AdvanceNS int64 `json:"advance_ns,omitempty"`
}

// Event is one line of the process.
type Event struct {
	// Started answers Start.
	Started *Started `json:"started,omitempty"`
	// Result answers Request.
	Result *Result `json:"result,omitempty"`
	// Refused says why the filter does not start: its own words, or the host's.
	Refused string `json:"refused,omitempty"`
	// Error says why the process cannot go on.
	Error string `json:"error,omitempty"`
}

// Start says how the filter is started.
type Start struct {
	// Config is the filter's configuration; empty is none.
	Config json.RawMessage `json:"config,omitempty"`
	// Grants are what the filter may do.
	Grants []string `json:"grants,omitempty"`
	// GrantNeeds grants what the filter says that it needs, too.
	GrantNeeds bool `json:"grant_needs,omitempty"`
	// HTTPAllow is where it may call.
	HTTPAllow []string `json:"http_allow,omitempty"`
	// Tokens and Keys are the credentials that the host knows.
	Tokens []Credential `json:"tokens,omitempty"`
	Keys   []Credential `json:"keys,omitempty"`
}

// Credential is an access token or an API key and what it is worth.
type Credential struct {
	// Value is the token or the key.
	Value string `json:"value"`
	// Status is what verifying it answers.
	Status filterv1.Status `json:"status"`
	// Principal is who acts with it, where the status is StatusOK.
	Principal Principal `json:"principal,omitzero"`
	// Claims are a token's claims.
	Claims map[string]string `json:"claims,omitempty"`
}

// Principal is who acts.
type Principal struct {
	Kind       string `json:"kind,omitempty"`
	Subject    string `json:"sub,omitempty"`
	ClientID   string `json:"client_id,omitempty"`
	SessionID  string `json:"sid,omitempty"`
	TokenID    string `json:"jti,omitempty"`
	Scope      string `json:"scope,omitempty"`
	Roles      string `json:"roles,omitempty"`
	Credential string `json:"credential,omitempty"`
}

// Started says what was started.
type Started struct {
	// Name, ResponsePhase and Needs are what the filter says of itself.
	Name          string   `json:"name,omitempty"`
	ResponsePhase bool     `json:"response_phase"`
	Needs         []string `json:"needs,omitempty"`
}

// Request is a request, to the filter or as it left it.
type Request struct {
	// Method is GET where it is empty, URI "/", Source 192.0.2.1.
	Method string `json:"method,omitempty"`
	URI    string `json:"uri,omitempty"`
	Source string `json:"source,omitempty"`
	Route  string `json:"route,omitempty"`
	// Header holds the fields by their canonical names.
	Header map[string][]string `json:"header,omitempty"`
	// Body is in base64.
	Body []byte `json:"body,omitempty"`
	// Principal is who acts already, by an earlier filter.
	Principal Principal `json:"principal,omitzero"`
	// Attributes are what earlier filters have left.
	Attributes map[string]string `json:"attributes,omitempty"`
	// Response is what the upstream answers; none is an empty 200.
	Response *Response `json:"response,omitempty"`
}

// Response is a response.
type Response struct {
	// Status is 200 where it is 0.
	Status int                 `json:"status,omitempty"`
	Header map[string][]string `json:"header,omitempty"`
	// Body is in base64.
	Body []byte `json:"body,omitempty"`
}

// Result is what became of a request.
type Result struct {
	// Answered is whether the filter has answered.
	Answered bool `json:"answered,omitempty"`
	// Request is the request as the filter left it, with the principal and the
	// attributes as they are then.
	Request Request `json:"request"`
	// Response is what the client gets.
	Response Response `json:"response"`
	// Trap says why the request failed, where it did: the filter trapped or
	// used up what it may.
	Trap string `json:"trap,omitempty"`
	// Fuel is what the filter burned, in units of which one is an operator.
	Fuel int64 `json:"fuel,omitempty"`
	// DurationNS is how long it took, in nanoseconds.
	DurationNS int64 `json:"duration_ns,omitempty"`
	// Counters are what the filter has counted with metric_add so far.
	Counters map[string]float64 `json:"counters,omitempty"`
	// Logs are the lines that it has logged meanwhile.
	Logs []string `json:"logs,omitempty"`
}
