// Package render owns how a message becomes a mail: templates by locale and
// name, what they are for and may refer to, and the composition of the MIME message.
//
// The texts themselves are in configs/templates or a folder of the operator's.
// Rendered mails contain links that sign people in: this package gives them to
// its caller and keeps nothing.
package render
