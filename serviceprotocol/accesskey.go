package serviceprotocol

// AccessKeyRequest asks for the key with which the hub server is to sign client tokens.
type AccessKeyRequest struct {
	// Token is the hub server's own access token, of its identity provider.
	Token string
	// KeyID is the key that it has, empty for none.
	KeyID string
}

// Type returns TypeAccessKeyRequest.
func (*AccessKeyRequest) Type() Type { return TypeAccessKeyRequest }

// Append appends the message with its length prefix.
func (m *AccessKeyRequest) Append(dst []byte) []byte {
	w := begin(dst, TypeAccessKeyRequest, 4, 0)
	w.text(m.Token)
	w.textOrNil(m.KeyID)
	w.extension(extension{})
	return w.end()
}

func (m *AccessKeyRequest) read(r *reader) {
	m.Token = r.text("token")
	m.KeyID = r.text("key id")
	r.extension(ownsNothing)
}

// AccessKeyResponse answers with a key, or with an error. What is empty is written as nil.
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
	w := begin(dst, TypeAccessKeyResponse, 6, 0)
	w.textOrNil(m.KeyID)
	w.textOrNil(m.AccessKey)
	w.textOrNil(m.ErrorType)
	w.textOrNil(m.Error)
	w.extension(extension{})
	return w.end()
}

func (m *AccessKeyResponse) read(r *reader) {
	m.KeyID = r.text("key id")
	m.AccessKey = r.text("access key")
	m.ErrorType = r.text("error type")
	m.Error = r.text("error")
	r.extension(ownsNothing)
}
