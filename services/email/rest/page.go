package rest

import (
	"net/url"
	"strconv"

	"gatehouse.example/internal/jsonhttp"
)

// readPage reads limit and cursor.
func readPage(values url.Values) (limit int, after string, err error) {
	limit, ok := jsonhttp.ParseLimit(values.Get("limit"))
	if !ok {
		return 0, "", invalid("limit", "want a number from 1 to "+strconv.Itoa(jsonhttp.MaxLimit))
	}
	after, ok = jsonhttp.ParseCursor(values.Get("cursor"))
	if !ok {
		return 0, "", invalid("cursor", "want the next_cursor of a page")
	}
	return limit, after, nil
}
