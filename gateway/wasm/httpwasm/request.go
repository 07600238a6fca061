package httpwasm

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/guest"
)

// enableFeatures answers with what is enabled: for all exchanges while the
// guest starts, for this one else.
func enableFeatures(in *guest.Instance, _ guest.Memory, stack []uint64) {
	features := uint32(stack[0]) & allFeatures
	in.Features |= features
	if in.Phase == guest.Starting {
		in.BaseFeatures = in.Features
	}
	stack[0] = uint64(in.Features)
}

// getConfig gives the configuration: JSON, or the text itself where it is a
// JSON string, for filters that take no JSON.
func getConfig(in *guest.Instance, mem guest.Memory, stack []uint64) {
	config := in.Filter.Config
	if len(config) > 0 && config[0] == '"' {
		var text string
		if err := json.Unmarshal(config, &text); err != nil {
			panic(fmt.Errorf("get_config: %w", err))
		}
		config = []byte(text)
	}
	stack[0] = uint64(mem.Put(uint32(stack[0]), uint32(stack[1]), config))
}

// levelNone is the ABI's level that logs nothing.
const levelNone = 3

func level(n int32) slog.Level {
	switch {
	case n < 0:
		return slog.LevelDebug
	case n == 0:
		return slog.LevelInfo
	case n == 1:
		return slog.LevelWarn
	}
	return slog.LevelError
}

// maxLogBytes is more than the log keeps of a line.
const maxLogBytes = 4 << 10

func logLine(in *guest.Instance, mem guest.Memory, stack []uint64) {
	n, length := int32(stack[0]), min(uint32(stack[2]), maxLogBytes)
	if n >= levelNone || !in.Filter.Log.Enabled(level(n)) {
		return
	}
	in.Filter.Log.Bytes(level(n), mem.Bytes(uint32(stack[1]), length))
}

func logEnabled(in *guest.Instance, _ guest.Memory, stack []uint64) {
	n := int32(stack[0])
	stack[0] = 0
	if n < levelNone && in.Filter.Log.Enabled(level(n)) {
		stack[0] = 1
	}
}

func getMethod(in *guest.Instance, mem guest.Memory, stack []uint64) {
	stack[0] = uint64(mem.PutString(uint32(stack[0]), uint32(stack[1]), in.MustExchange().Request.Method))
}

func setMethod(in *guest.Instance, mem guest.Memory, stack []uint64) {
	mustBeforeNext(in, "the method")
	method := in.Intern(mem.Bytes(uint32(stack[0]), uint32(stack[1])))
	if !exchange.ValidFieldName(method) {
		panic(guest.Trap("the method is not a token"))
	}
	mustTake(in, exchange.Room{ChangeBytes: len(method)})
	in.Exchange.Request.Method = method
}

func getURI(in *guest.Instance, mem guest.Memory, stack []uint64) {
	r := &in.MustExchange().Request
	in.Scratch = append(in.Scratch[:0], r.RawPath...)
	if len(in.Scratch) == 0 {
		in.Scratch = append(in.Scratch, '/')
	}
	if r.Query != "" {
		in.Scratch = append(append(in.Scratch, '?'), r.Query...)
	}
	stack[0] = uint64(mem.Put(uint32(stack[0]), uint32(stack[1]), in.Scratch))
}

func setURI(in *guest.Instance, mem guest.Memory, stack []uint64) {
	mustBeforeNext(in, "the URI")
	uri := string(mem.Bytes(uint32(stack[0]), uint32(stack[1])))
	if uri == "" || uri[0] == '?' {
		uri = "/" + uri
	}
	mustTake(in, exchange.Room{ChangeBytes: len(uri)})
	if err := in.Exchange.Request.SetURI(uri); err != nil {
		panic(guest.Trap("set_uri: " + err.Error()))
	}
}

func getProtocolVersion(in *guest.Instance, mem guest.Memory, stack []uint64) {
	stack[0] = uint64(mem.PutString(uint32(stack[0]), uint32(stack[1]), in.MustExchange().Request.Proto))
}

func getSourceAddr(in *guest.Instance, mem guest.Memory, stack []uint64) {
	source := in.MustExchange().Request.Source
	source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
	in.Scratch = source.AppendTo(in.Scratch[:0])
	stack[0] = uint64(mem.Put(uint32(stack[0]), uint32(stack[1]), in.Scratch))
}
