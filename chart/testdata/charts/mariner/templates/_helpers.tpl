{{- define "mariner.name" -}}{{ .Release.Name }}-mariner{{- end }}
