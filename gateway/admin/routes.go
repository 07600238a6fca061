package admin

import "gatehouse.example/gateway/config"

// Route describes a route to an operator.
type Route struct {
	Name     string   `json:"name"`
	Host     string   `json:"host,omitempty"`
	Path     string   `json:"path"`
	Methods  []string `json:"methods,omitempty"`
	Filters  []string `json:"filters,omitempty"`
	Require  string   `json:"require,omitempty"`
	Upstream string   `json:"upstream,omitempty"`
	// Respond is the status of a fixed answer.
	Respond int `json:"respond,omitempty"`
}

// Routes describes the routes of a configuration, in their order.
func Routes(g *config.Gateway) []Route {
	out := make([]Route, 0, len(g.Routes))
	for i := range g.Routes {
		c := &g.Routes[i]
		r := Route{
			Name: c.Name, Host: c.Host, Path: c.Path, Methods: c.Methods, Filters: c.Filters,
			Require: c.Requirement(), Upstream: c.Upstream,
		}
		if c.Respond != nil {
			r.Respond = c.Respond.Status
		}
		out = append(out, r)
	}
	return out
}
