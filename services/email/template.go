package email

// CategorySecurity is the category of mails that nobody can switch off and no
// client can send: what happened to an account, and links that sign in.
const CategorySecurity = "security"

// Template says what a template is for and what it is filled with. The texts
// are the renderer's.
type Template struct {
	// Name is what messages call it, such as "verify_email".
	Name string
	// Description is a sentence for people.
	Description string
	// Category is what a person's preferences go by; [CategorySecurity] or a
	// name such as "product".
	Category string
	// API says that clients may send it.
	API bool
	// Locales are the languages that it exists in, sorted.
	Locales []string
	// Variables are what [Message.Data] may hold, in the order of the
	// template's author.
	Variables []Variable
}

// Variable is one text that a template is filled with.
type Variable struct {
	// Name is how the template calls it: {{.Data.NAME}}.
	Name string
	// Required says that it must be there and not be empty.
	Required bool
	// Link says that it is an absolute http or https URL.
	Link bool
	// Multiline allows line breaks.
	Multiline bool
	// MaxLength bounds it, in characters.
	MaxLength int
}
