package serviceprotocol

// AccessKeyRequest asks for the key with which the hub server is to sign client tokens.
type AccessKeyRequest struct {
	// Token is the hub server's own access token, issued by its identity provider.
	Token string
	// KeyID names the key that the hub server holds; empty if it holds none.
	KeyID string
}

// Type returns TypeAccessKeyRequest.
func (*AccessKeyRequest) Type() Type { return TypeAccessKeyRequest }

// Append appends the message with its length prefix.
func (m *AccessKeyRequest) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeAccessKeyRequest, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *AccessKeyRequest) fields(c *codec) {
	c.text("token", &m.Token)
	c.textOrNil("key id", &m.KeyID)
	c.extension(&extension{})
}

// AccessKeyResponse answers with a key or with an error. Empty fields are written as nil.
type AccessKeyResponse struct {
	KeyID     string
	AccessKey string
	ErrorType string
	Error     string
}

// Type returns TypeAccessKeyResponse.
func (*AccessKeyResponse) Type() Type { return TypeAccessKeyResponse }

// Append appends the message with its length prefix.
func (m *AccessKeyResponse) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeAccessKeyResponse, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *AccessKeyResponse) fields(c *codec) {
	c.textOrNil("key id", &m.KeyID)
	c.textOrNil("access key", &m.AccessKey)
	c.textOrNil("error type", &m.ErrorType)
	c.textOrNil("error", &m.Error)
	c.extension(&extension{})
}
