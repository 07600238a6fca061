package filter

import (
	"gatehouse.example/sdk/filter/internal/host"
)

// Instance is a started filter. It is for filtertest and for the module's own
// exports; a filter's author never needs it.
type Instance struct {
	handler  Handler
	request  *Request
	response *Response
}

// Start makes the filter that r defines on h, whose type only this kit can
// name.
func Start(h host.Host, r *Registration) (*Instance, error) {
	config := make([]byte, 4<<10)
	n := h.Config(config)
	if n > len(config) {
		config = make([]byte, n)
		n = h.Config(config)
	}
	setup := &Setup{host: host.CallerOf(h)}
	handler, err := r.start(setup, config[:n])
	if err != nil {
		return nil, err
	}
	return &Instance{
		handler:  handler,
		request:  newRequest(setup.host),
		response: &Response{host: setup.host, setup: setup, buf: make([]byte, 1<<10)},
	}, nil
}

// HandleRequest runs the request phase and makes its changes. It panics where
// the filter's answer makes no sense.
func (i *Instance) HandleRequest() Action {
	i.request.reset()
	action := i.handler.HandleRequest(i.request)
	switch {
	case action > Stop:
		panic("filter: HandleRequest returned an Action that is neither Next nor Stop")
	case action == Stop && !i.request.replied:
		panic("filter: HandleRequest returned Stop without a Reply: return r.Reply(…) or r.Problem(…)")
	}
	i.request.flush()
	return action
}

// HandleResponse runs the response phase, if there is one.
func (i *Instance) HandleResponse(failed bool) {
	if h, ok := i.handler.(ResponseHandler); ok {
		i.response.Failed, i.request.responding = failed, true
		h.HandleResponse(i.request, i.response)
	}
}
