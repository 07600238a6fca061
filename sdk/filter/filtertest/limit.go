package filtertest

import (
	"encoding/binary"
	"encoding/json"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

type limitPolicy struct {
	Windows []struct {
		Rate  int64 `json:"rate"`
		PerNS int64 `json:"per_ns"`
		Burst int64 `json:"burst"`
	} `json:"windows"`
	Store         string `json:"store"`
	OnUnavailable string `json:"on_unavailable"`

	arrival []map[string]time.Duration // per window
}

// LimitPolicy implements host.Capabilities.
func (g *gateway) LimitPolicy(text []byte) int32 {
	var p limitPolicy
	if err := json.Unmarshal(text, &p); err != nil {
		return -int32(g.refuse(filterv1.StatusBadArgument, err.Error()))
	}
	for _, w := range p.Windows {
		if w.Rate < 1 || w.PerNS < w.Rate || w.Burst < 1 {
			return -int32(g.refuse(filterv1.StatusBadArgument, "rate, period and burst have to be positive"))
		}
		p.arrival = append(p.arrival, map[string]time.Duration{})
	}
	g.limits = append(g.limits, p)
	return int32(len(g.limits) - 1)
}

// LimitTake implements host.Capabilities.
func (g *gateway) LimitTake(policy int32, key []byte, cost uint32, result []byte) filterv1.Status {
	if policy < 0 || int(policy) >= len(g.limits) {
		return g.refuse(filterv1.StatusBadArgument, "unknown limit")
	}
	p := &g.limits[policy]
	status := filterv1.StatusOK
	over := make([]time.Duration, len(p.Windows))
	for i, w := range p.Windows {
		interval := time.Duration(w.PerNS / w.Rate)
		next := max(p.arrival[i][string(key)], g.now) + interval*time.Duration(cost)
		if over[i] = next - g.now - interval*time.Duration(w.Burst); over[i] > 0 {
			status = filterv1.StatusLimited
		}
	}
	for i, w := range p.Windows {
		interval := time.Duration(w.PerNS / w.Rate)
		arrival := max(p.arrival[i][string(key)], g.now)
		if status == filterv1.StatusOK {
			arrival += interval * time.Duration(cost)
			p.arrival[i][string(key)] = arrival
		}
		r := result[i*filterv1.LimitResultSize:]
		binary.LittleEndian.PutUint32(r[0:], uint32((interval*time.Duration(w.Burst)-(arrival-g.now))/interval))
		binary.LittleEndian.PutUint32(r[4:], uint32((arrival - g.now).Milliseconds()))
		binary.LittleEndian.PutUint32(r[8:], uint32(max(0, over[i]).Milliseconds()))
	}
	return status
}
