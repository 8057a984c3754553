package management

// validate says what is wrong with the document alone. The error is an *InvalidError.
func (d *Document) validate() error {
	var p problems
	return p.err()
}
