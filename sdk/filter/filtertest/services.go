package filtertest

import filterv1 "gatehouse.example/pluginspec/filter/v1"

// KVGet implements host.Services.
func (g *gateway) KVGet(string, []byte) int { return -int(filterv1.StatusNotGranted) }

// KVPut implements host.Services.
func (g *gateway) KVPut(string, []byte, int64) filterv1.Status { return filterv1.StatusNotGranted }

// KVDelete implements host.Services.
func (g *gateway) KVDelete(string) filterv1.Status { return filterv1.StatusNotGranted }

// KVIncr implements host.Services.
func (g *gateway) KVIncr(string, int64, int64) (int64, filterv1.Status) {
	return 0, filterv1.StatusNotGranted
}

// MetricAdd implements host.Services.
func (g *gateway) MetricAdd(string, float64) filterv1.Status { return filterv1.StatusNotGranted }

// HTTPCall implements host.Services.
func (g *gateway) HTTPCall([]byte, uint32) int { return -int(filterv1.StatusNotGranted) }

// HTTPResponse implements host.Services.
func (g *gateway) HTTPResponse([]byte) int { return int(filterv1.Absent) }
