{{/* The name of everything: the release, unless it already says hubgate. At most 40 characters: pods add to it. */}}
{{- define "hubgate.name" -}}
{{- if contains "hubgate" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-hubgate" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "hubgate.selector" -}}
app.kubernetes.io/name: hubgate
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "hubgate.labels" -}}
{{ include "hubgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "hubgate.secret" -}}
{{ .Values.secret.existingSecret | default (include "hubgate.name" .) }}
{{- end }}

{{/* The three that keep the store. */}}
{{- define "hubgate.voters" -}}
{{- $name := include "hubgate.name" . }}{{ $name }}-0,{{ $name }}-1,{{ $name }}-2
{{- end }}
