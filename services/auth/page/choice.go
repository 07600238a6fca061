package page

// Choice is one of several ways on, as a link that looks like a button.
type Choice struct {
	Label, Link string
}
