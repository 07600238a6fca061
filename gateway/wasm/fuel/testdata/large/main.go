// Large is a guest with much of Go's standard library, for tests of what real
// modules need.
package main

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"text/template"
)

//go:wasmexport handle_request
func handleRequest() int64 {
	t := template.Must(template.New("page").Parse(os.Args[0]))
	r, err := http.Get(os.Args[0])
	if err != nil {
		return 0
	}
	_ = t.Execute(os.Stdout, regexp.MustCompile(os.Args[0]).String())
	_ = json.NewEncoder(os.Stdout).Encode(r.Header)
	return 1
}

func main() {}
