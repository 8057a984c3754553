package management

// Where values come from.
const (
	FromSettings      = "settings"
	FromConfiguration = "configuration"
)

// Sources says of each value of the document where it comes from, by its path: FromSettings or FromConfiguration.
func (v *Version) Sources() map[string]string {
	set, all := map[string]any{}, map[string]any{}
	leaves(v.Set, set)
	leaves(v.Document, all)
	sources := make(map[string]string, len(all))
	for path := range all {
		sources[path] = FromConfiguration
		if _, ok := set[path]; ok {
			sources[path] = FromSettings
		}
	}
	return sources
}
