// Package filterrun owns the trying of one filter outside an installation: a
// [Session] leads single requests through a compiled filter on the gateway's
// real filter host, [Serve] does so for sdk/filter/filtertest, [RunCases] for a
// file of cases, and [Try] puts the filter into a real gateway before a live
// upstream.
//
// Limits, memory, fuel and visibility are the host's own. What a credential is
// worth is said by whoever asks: nobody is asked for keys or API keys. How a
// command line looks and what it prints around that is internal/cli's.
package filterrun
