// Package mail owns what an author of a mail transport for Gatehouse writes
// against: one interface, plain structs, three kinds of error, and [Serve]. A
// transport is a program of its own that Gatehouse runs as a plugin process.
//
//	type transport struct{ url string }
//
//	func (t *transport) Configure(_ context.Context, config json.RawMessage) error {
//		var c struct{ URL string `json:"url"` }
//		if err := mail.DecodeConfig(config, &c); err != nil {
//			return err
//		}
//		t.url = c.URL
//		return nil
//	}
//
//	func (t *transport) Send(ctx context.Context, m mail.Message) (mail.Receipt, error) {
//		id, err := post(ctx, t.url, m.Envelope, m.Raw)
//		if errors.Is(err, errRejected) {
//			return mail.Receipt{}, mail.Permanent(err)
//		}
//		return mail.Receipt{ProviderID: id}, err
//	}
//
//	func main() { mail.Serve(&transport{}) }
//
// A program writes its log with log/slog's default logger, or to standard
// error; the host forwards it. It must not write links or bodies of messages to
// the log. It has no environment but what the operator gave it, and no
// terminal; everything it needs comes through Configure.
//
// The wire lies in the package mailrpc, the conformance kit in mailtest. What
// is in a message, whom it goes to and when it is tried again is Gatehouse's
// business, not a transport's.
package mail
