package filter

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// limitFields are the texts of RateLimit and RateLimit-Policy
// (draft-ietf-httpapi-ratelimit-headers-10) that do not change, made once.
type limitFields struct {
	// states are the items of RateLimit up to the number of requests left:
	// `"default";r=`, with the comma before all but the first.
	states []string
	// policies are the items of RateLimit-Policy, with that comma.
	policies []string
	// begin and more are changes: what comes before the value of RateLimit in
	// the first filter that writes the fields, and in others.
	begin, more []byte
}

const (
	fieldRateLimit       = "RateLimit"
	fieldRateLimitPolicy = "RateLimit-Policy"
)

func newLimitFields(windows []Window) limitFields {
	var f limitFields
	all := ""
	for i := range windows {
		comma := ""
		if i > 0 {
			comma = ", "
		}
		// Quoted as a String (RFC 9651 §4.1.6), for the name is printable ASCII.
		name := comma + strconv.Quote(windows[i].Name)
		f.states = append(f.states, name+";r=")
		f.policies = append(f.policies, name+";q="+strconv.FormatInt(windows[i].Burst, 10)+";w="+strconv.FormatInt(windows[i].seconds(), 10))
		all += f.policies[i]
	}
	f.begin = appendOp(appendOp(nil, filterv1.OpSetAttribute, filterv1.AttributeLimitFields, "1"), filterv1.OpSetResponseHeader, fieldRateLimitPolicy, all)
	f.begin = filterv1.AppendString(append(f.begin, byte(filterv1.OpSetResponseHeader)), fieldRateLimit)
	f.more = appendOp(nil, filterv1.OpAddResponseHeader, fieldRateLimitPolicy, all)
	f.more = filterv1.AppendString(append(f.more, byte(filterv1.OpAddResponseHeader)), fieldRateLimit)
	return f
}

// seconds is the time in which a whole burst is allowed again.
func (w *Window) seconds() int64 {
	// In floating point, for the product of period and burst may overflow.
	return max(1, int64(math.Ceil(w.Period.Seconds()*float64(w.Burst)/float64(w.Rate))))
}

// Announce tells the client of the limit: the fields RateLimit-Policy, and
// RateLimit with the state of the windows as the last [Limit.Take] found it, in
// the response, whoever answers. Both are lists: what filters announce on a
// request is there together, in their order, and replaces what the upstream
// says. So give windows of several filters on one route names of their own. It
// allocates nothing.
//
// partition, if there is one, is what the request is counted by; its hash
// becomes the parameter pk. It tells clients apart and is no secret.
func (l *Limit) Announce(r *Request, partition []byte) {
	if len(l.fields.states) == 0 {
		return
	}
	r.mustBeAsked(filterv1.OpSetResponseHeader)
	begun := r.host.Attribute(filterv1.AttributeLimitFields, nil) >= 0
	var sum []byte
	if len(partition) == 0 {
		r.ops = append(r.ops, l.constant(begun)...)
	} else {
		sum = partitionKey(r.scratch[:0], partition)
		r.scratch = sum
		l.announcePolicies(r, begun, sum)
	}
	// The length of the value is known behind it.
	b := r.ops
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	for i, name := range l.fields.states {
		remaining, reset, retry := l.state(i)
		if retry > 0 {
			reset = retry
		}
		b = appendUint(append(b, name...), remaining)
		b = appendUint(append(b, ";t="...), uint32(max(1, (uint64(reset)+999)/1000)))
		b = append(b, sum...)
	}
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	r.ops = b
}

func (l *Limit) constant(begun bool) []byte {
	if begun {
		return l.fields.more
	}
	return l.fields.begin
}

// announcePolicies is what stands in limitFields.begin or more, with the
// partition in each item.
func (l *Limit) announcePolicies(r *Request, begun bool, sum []byte) {
	op := filterv1.OpAddResponseHeader
	if !begun {
		op = filterv1.OpSetResponseHeader
		r.SetAttribute(filterv1.AttributeLimitFields, "1")
	}
	b := filterv1.AppendString(append(r.ops, byte(op)), fieldRateLimitPolicy)
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	for _, item := range l.fields.policies {
		b = append(append(b, item...), sum...)
	}
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	r.ops = filterv1.AppendString(append(b, byte(op)), fieldRateLimit)
}

// partitionKey appends pk: a hash of the key (FNV-1a) as a byte sequence.
func partitionKey(dst, key []byte) []byte {
	h := uint64(14695981039346656037)
	for _, c := range key {
		h = (h ^ uint64(c)) * 1099511628211
	}
	// In base64, whose package would make a module larger.
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	dst = append(dst, ";pk=:"...)
	for shift := 58; shift > 0; shift -= 6 {
		dst = append(dst, digits[h>>shift&63])
	}
	return append(dst, digits[h&15<<2], '=', ':')
}

// appendUint is strconv.AppendUint in fewer steps.
func appendUint(dst []byte, v uint32) []byte {
	var digits [10]byte
	i := len(digits)
	for {
		i--
		digits[i] = byte('0' + v%10)
		if v /= 10; v == 0 {
			return append(dst, digits[i:]...)
		}
	}
}

// SetRetryAfter says in how many seconds to come back (RFC 9110 §10.2.3): d
// rounded up, at least one.
func (r *Request) SetRetryAfter(d time.Duration) {
	r.scratch = strconv.AppendInt(r.scratch[:0], max(1, int64((d+time.Second-1)/time.Second)), 10)
	r.SetResponseHeaderBytes("Retry-After", r.scratch)
}
