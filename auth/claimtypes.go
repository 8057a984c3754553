package auth

import "iter"

const (
	identity2005 = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
	identity2008 = "http://schemas.microsoft.com/ws/2008/06/identity/claims/"
	identity     = "http://schemas.microsoft.com/identity/claims/"
	request2012  = "http://schemas.microsoft.com/2012/01/requestcontext/claims/"
	device2012   = "http://schemas.microsoft.com/2012/01/devicecontext/claims/"
	certField    = "http://schemas.microsoft.com/2012/12/certificatecontext/field/"
	certExt      = "http://schemas.microsoft.com/2012/12/certificatecontext/extension/"
)

// longClaimTypes are the short names of claims in tokens and the claim types that .NET knows
// them by. .NET senders shorten the types when they write a token, and their receivers lengthen
// them again (section 4.2 of the hub server protocol).
var longClaimTypes = map[string]string{
	"actort":                     "http://schemas.xmlsoap.org/ws/2009/09/identity/claims/actor",
	"birthdate":                  identity2005 + "dateofbirth",
	"email":                      identity2005 + "emailaddress",
	"family_name":                identity2005 + "surname",
	"gender":                     identity2005 + "gender",
	"given_name":                 identity2005 + "givenname",
	"nameid":                     identity2005 + "nameidentifier",
	"sub":                        identity2005 + "nameidentifier",
	"website":                    identity2005 + "webpage",
	"unique_name":                identity2005 + "name",
	"upn":                        identity2005 + "upn",
	"ppid":                       identity2005 + "privatepersonalidentifier",
	"denyonlysid":                identity2005 + "denyonlysid",
	"certpublickey":              identity2005 + "rsa",
	"certthumbprint":             identity2005 + "thumbprint",
	"role":                       identity2008 + "role",
	"roles":                      identity2008 + "role",
	"authmethod":                 identity2008 + "authenticationmethod",
	"certserialnumber":           identity2008 + "serialnumber",
	"denyonlyprimarygroupsid":    identity2008 + "denyonlyprimarygroupsid",
	"denyonlyprimarysid":         identity2008 + "denyonlyprimarysid",
	"groupsid":                   identity2008 + "groupsid",
	"primarygroupsid":            identity2008 + "primarygroupsid",
	"primarysid":                 identity2008 + "primarysid",
	"winaccountname":             identity2008 + "windowsaccountname",
	"oid":                        identity + "objectidentifier",
	"scp":                        identity + "scope",
	"tid":                        identity + "tenantid",
	"idp":                        identity + "identityprovider",
	"acr":                        "http://schemas.microsoft.com/claims/authnclassreference",
	"amr":                        "http://schemas.microsoft.com/claims/authnmethodsreferences",
	"adfs1email":                 "http://schemas.xmlsoap.org/claims/EmailAddress",
	"adfs1upn":                   "http://schemas.xmlsoap.org/claims/UPN",
	"commonname":                 "http://schemas.xmlsoap.org/claims/CommonName",
	"group":                      "http://schemas.xmlsoap.org/claims/Group",
	"certapppolicy":              certExt + "applicationpolicy",
	"certauthoritykeyidentifier": certExt + "authoritykeyidentifier",
	"certbasicconstraints":       certExt + "basicconstraints",
	"certeku":                    certExt + "eku",
	"certkeyusage":               certExt + "keyusage",
	"certpolicy":                 certExt + "certificatepolicy",
	"certsubjectaltname":         certExt + "san",
	"certsubjectkeyidentifier":   certExt + "subjectkeyidentifier",
	"certtemplateinformation":    certExt + "certificatetemplateinformation",
	"certtemplatename":           certExt + "certificatetemplatename",
	"certissuer":                 certField + "issuer",
	"certissuername":             certField + "issuername",
	"certnotafter":               certField + "notafter",
	"certnotbefore":              certField + "notbefore",
	"certrawdata":                certField + "rawdata",
	"certsignaturealgorithm":     certField + "signaturealgorithm",
	"certsubject":                certField + "subject",
	"certsubjectname":            certField + "subjectname",
	"certx509version":            certField + "x509version",
	"clientapplication":          request2012 + "x-ms-client-application",
	"clientip":                   request2012 + "x-ms-client-ip",
	"clientuseragent":            request2012 + "x-ms-client-user-agent",
	"endpointpath":               request2012 + "x-ms-endpoint-absolute-path",
	"forwardedclientip":          request2012 + "x-ms-forwarded-client-ip",
	"proxy":                      request2012 + "x-ms-proxy",
	"relyingpartytrustid":        request2012 + "relyingpartytrustid",
	"devicedispname":             device2012 + "displayname",
	"deviceid":                   device2012 + "identifier",
	"deviceismanaged":            device2012 + "ismanaged",
	"deviceostype":               device2012 + "ostype",
	"deviceosver":                device2012 + "osversion",
	"deviceowner":                device2012 + "userowner",
	"deviceregid":                device2012 + "registrationid",
	"isregistereduser":           device2012 + "isregistereduser",
	"insidecorporatenetwork":     "http://schemas.microsoft.com/ws/2012/01/insidecorporatenetwork",
	"pwdchgurl":                  "http://schemas.microsoft.com/ws/2012/01/passwordchangeurl",
	"pwdexpdays":                 "http://schemas.microsoft.com/ws/2012/01/passwordexpirationdays",
	"pwdexptime":                 "http://schemas.microsoft.com/ws/2012/01/passwordexpirationtime",
}

// LongClaimType returns the .NET claim type for a claim that tokens call by a short name, such as
// role, email or nameid; "" if there is none.
func LongClaimType(short string) string { return longClaimTypes[short] }

// UnderBothNames yields the claims as applications get them: first all of them as they are, in
// their order, then those with a .NET claim type once more under that type. So applications find
// a claim by the name that they know, whichever that is. No type and value of the second part
// come twice, as those of nameid and sub would.
func UnderBothNames[C ~struct{ Type, Value string }](claims []C) iter.Seq[Claim] {
	return func(yield func(Claim) bool) {
		long := 0
		seen := make(map[Claim]bool)
		for _, c := range claims {
			claim := Claim(c)
			if !yield(claim) {
				return
			}
			if longClaimTypes[claim.Type] != "" {
				long++
			} else if isLongClaimType[claim.Type] {
				seen[claim] = true
			}
		}
		for _, c := range claims {
			if long == 0 {
				return
			}
			claim := Claim(c)
			if claim.Type = longClaimTypes[claim.Type]; claim.Type == "" {
				continue
			}
			long--
			if !seen[claim] && !yield(claim) {
				return
			}
			seen[claim] = true
		}
	}
}

// isLongClaimType has the values of longClaimTypes.
var isLongClaimType = func() map[string]bool {
	long := make(map[string]bool, len(longClaimTypes))
	for _, claimType := range longClaimTypes {
		long[claimType] = true
	}
	return long
}()
