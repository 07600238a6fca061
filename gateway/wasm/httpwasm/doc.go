// Package httpwasm owns the host's side of the http-wasm handler ABI
// (https://http-wasm.io/http-handler-abi/): the module http_handler with its
// functions, on an Exchange.
//
// It differs from net/http hosts where those lose data or could be abused: a
// request body that a guest reads stays there for the upstream, whether or not
// the guest enabled buffer_request. RATIONALE.md lists what was decided where
// the ABI leaves it open. It calls no guest (gateway/wasm does) and knows
// nothing of gatehouse_v1.
package httpwasm

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"gatehouse.example/gateway/wasm/guest"
)

// Module is the name of the host module.
const Module = "http_handler"

// The features that a guest may enable.
const (
	FeatureBufferRequest uint32 = 1 << iota
	FeatureBufferResponse
	FeatureTrailers

	allFeatures = FeatureBufferRequest | FeatureBufferResponse | FeatureTrailers
)

const i32, i64 = api.ValueTypeI32, api.ValueTypeI64

func params(types ...api.ValueType) []api.ValueType { return types }

// Instantiate adds the host module to runtime.
func Instantiate(ctx context.Context, runtime wazero.Runtime) error {
	return guest.Export(ctx, runtime, Module, functions())
}

func functions() []guest.Function {
	two, three, five := params(i32, i32), params(i32, i32, i32), params(i32, i32, i32, i32, i32)
	one, long := params(i32), params(i64)
	return []guest.Function{
		{Name: "enable_features", Params: one, Results: one, Call: enableFeatures},
		{Name: "get_config", Params: two, Results: one, Call: getConfig},
		{Name: "log", Params: three, Call: logLine},
		{Name: "log_enabled", Params: one, Results: one, Call: logEnabled},

		{Name: "get_method", Params: two, Results: one, Call: getMethod},
		{Name: "set_method", Params: two, Call: setMethod},
		{Name: "get_uri", Params: two, Results: one, Call: getURI},
		{Name: "set_uri", Params: two, Call: setURI},
		{Name: "get_protocol_version", Params: two, Results: one, Call: getProtocolVersion},
		{Name: "get_source_addr", Params: two, Results: one, Call: getSourceAddr},

		{Name: "get_header_names", Params: three, Results: long, Call: getHeaderNames},
		{Name: "get_header_values", Params: five, Results: long, Call: getHeaderValues},
		{Name: "set_header_value", Params: five, Call: setHeaderValue},
		{Name: "add_header_value", Params: five, Call: addHeaderValue},
		{Name: "remove_header", Params: three, Call: removeHeader},

		{Name: "read_body", Params: three, Results: long, Call: readBody},
		{Name: "write_body", Params: three, Call: writeBody},
		{Name: "get_status_code", Results: one, Call: getStatusCode},
		{Name: "set_status_code", Params: one, Call: setStatusCode},
	}
}

// mustBeforeNext traps once the request has gone on: then it is not the
// guest's to change.
func mustBeforeNext(in *guest.Instance, what string) {
	in.MustExchange()
	if in.Phase == guest.Responding {
		panic(guest.Trap("can't change " + what + " after the next handler"))
	}
}

// mustOwnResponse traps where the response is the upstream's and the guest has
// not enabled buffer_response.
func mustOwnResponse(in *guest.Instance, what string) {
	in.MustExchange()
	if in.Phase == guest.Responding && in.Features&FeatureBufferResponse == 0 {
		panic(guest.Trap("can't use " + what + " after the next handler unless buffer_response is enabled"))
	}
}
