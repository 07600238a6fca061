package outbound

import (
	"net/http"
	"time"
)

type Options struct {
	AllowLoopback    bool
	AllowHTTP        bool
	Timeout          time.Duration
	MaxResponseBytes int64
	MaxRedirects     int
}

func NewClient(o Options) *http.Client { return &http.Client{Timeout: o.Timeout} }
