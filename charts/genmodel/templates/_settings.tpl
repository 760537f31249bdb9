{{/* Generated from operator/genmodel_operator/settings.py by `make generate`; do not edit. */}}
{{- define "genmodel.settingsKeys" -}}
["watchNamespaces", "workers", "resyncSeconds", "drainPatienceSeconds", "httpPort", "logLevel", "logFormat", "hub", "engines", "accelerators", "limits", "measurements"]
{{- end -}}
