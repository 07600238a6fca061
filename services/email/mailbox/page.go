package mailbox

import "html/template"

const style = `<style>
body{max-width:60em;margin:2em auto;padding:0 1em;font:16px/1.5 system-ui,sans-serif;color:#1d2430}
table{width:100%;border-collapse:collapse}td,th{padding:.4em;text-align:left;border-bottom:1px solid #dde1e7}
iframe{width:100%;height:32em;border:1px solid #dde1e7;border-radius:6px}pre{white-space:pre-wrap;word-break:break-all}
dt{float:left;clear:left;width:5em;color:#5b6575}dd{margin-left:5em}
</style>`

// The pages are parsed once; they are never changed.
var (
	listPage = template.Must(template.New("list").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Mailbox</title>` + style + `</head><body>
<h1>Mailbox</h1>
<p>Mails that this development machine has caught instead of sending them.</p>
<form><label>To <input name="to" value="{{.To}}"></label> <button>Filter</button></form>
{{if .Items}}<table><tr><th>To</th><th>Subject</th><th>Date</th></tr>
{{range .Items}}<tr><td>{{.To}}</td><td><a href="/dev/mailbox/{{.ID}}">{{.Subject}}</a></td><td>{{.Date.Format "2006-01-02 15:04:05"}}</td></tr>
{{end}}</table>{{else}}<p>No mail.</p>{{end}}
</body></html>
`))
	mailPage = template.Must(template.New("mail").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Subject}}</title>` + style + `</head><body>
<p><a href="/dev/mailbox">Mailbox</a></p>
<h1>{{.Subject}}</h1>
<dl><dt>From</dt><dd>{{.From}}</dd><dt>To</dt><dd>{{.To}}</dd><dt>Date</dt><dd>{{.Date.Format "2006-01-02 15:04:05"}}</dd></dl>
{{if .HTML}}<iframe title="The mail as HTML" sandbox="allow-popups allow-popups-to-escape-sandbox" src="/dev/mailbox/{{.ID}}/html"></iframe>{{end}}
<h2>Text</h2>
<pre>{{.Text}}</pre>
{{if .Links}}<h2>Links</h2><ul>{{range .Links}}<li><a href="{{.}}" rel="noreferrer">{{.}}</a></li>{{end}}</ul>{{end}}
</body></html>
`))
)
