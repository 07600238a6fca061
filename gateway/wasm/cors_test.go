package wasm_test

import (
	"strings"
	"testing"
)

// TestCORSCompiled goes through what the native tests of the filter cannot
// show: the same module with the host's own header lists, and a regular
// expression inside a guest. The table of Fetch's rules is the filter's own.
func TestCORSCompiled(t *testing.T) {
	b := newBench(t)
	f := b.build(t, "cors", `{"origins":["https://app.example","https://*.shop.example","~https://pr-[0-9]+\\.preview\\.example"],
		"credentials":true,"methods":["*"],"headers":["*"],"allow_private_network":true}`)
	for origin, want := range map[string]bool{
		"https://app.example": true, "https://a.b.shop.example": true, "https://pr-17.preview.example": true,
		"https://shop.example": false, "https://evil/.shop.example": false, "https://pr-17.preview.example.evil": false,
		"https://pr-x.preview.example": false, "null": false, "https://" + strings.Repeat("a", 5000) + ".shop.example": false,
	} {
		ex := newExchange("GET", "/", "Origin", origin)
		run(t, f, ex)
		h := &ex.Response.Header
		if got := h.Get("Access-Control-Allow-Origin") == origin; got != want || (h.Get("Access-Control-Allow-Credentials") == "true") != want || h.Get("Vary") != "Origin" {
			t.Errorf("%.60s: %+v", origin, h)
		}
	}
	ex := newExchange("OPTIONS", "/", "Origin", "https://app.example", "Access-Control-Request-Method", "PATCH",
		"Access-Control-Request-Headers", "x-one", "Access-Control-Request-Private-Network", "true")
	if !run(t, f, ex).Answered || ex.Response.Status != 204 {
		t.Errorf("preflight: %d", ex.Response.Status)
	}
	for name, want := range map[string]string{
		"Access-Control-Allow-Methods": "PATCH", "Access-Control-Allow-Headers": "x-one", "Access-Control-Allow-Private-Network": "true",
		"Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network, Access-Control-Request-Local-Network",
	} {
		if got := ex.Response.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestCORSConfigErrorNamesTheField(t *testing.T) {
	_, err := newBench(t).host.Build(t.Context(), spec("cors", `{"origins":["https://app.example","https://app.example/"]}`))
	if err == nil || !strings.Contains(err.Error(), "config/origins/1: want scheme://host[:port] without a path") {
		t.Errorf("error %v", err)
	}
}
