package browser

import (
	"net/http"

	"gatehouse.example/services/auth/opaque"
)

// deviceLifetime is the longest that browsers keep a cookie (RFC 6265bis
// §5.6.2): 400 days, longer than a device is remembered.
const deviceLifetime = 400 * 24 * 60 * 60

// DeviceCookie returns the name of the cookie by which a browser is known
// again. It stays when a person signs out and gives no access to anything.
func (j *Jar) DeviceCookie() string {
	if j.secure {
		return "__Host-gatehouse_device"
	}
	return "gatehouse_device"
}

// device returns the browser's device cookie, or a new value for one.
func (j *Jar) device(r *http.Request) string {
	c, err := r.Cookie(j.DeviceCookie())
	if err != nil || len(c.Value) != len(opaque.New()) {
		return opaque.New()
	}
	return c.Value
}

func (j *Jar) setDevice(w http.ResponseWriter, value string) {
	http.SetCookie(w, &http.Cookie{
		Name: j.DeviceCookie(), Value: value, Path: "/", MaxAge: deviceLifetime,
		HttpOnly: true, Secure: j.secure, SameSite: http.SameSiteLaxMode,
	})
}

// deviceHash is what is stored: another one for each person on a device.
func deviceHash(userID, device string) []byte { return opaque.Hash(userID + "\x00" + device) }
