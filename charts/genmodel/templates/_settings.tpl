{{/* Generated from operator/genmodel_operator/settings.py by `make generate`; do not edit. */}}
{{- define "genmodel.settingsKeys" -}}
["replicas", "leaderElection", "watchNamespaces", "workers", "resyncSeconds", "drainPatienceSeconds", "httpPort", "logLevel", "logFormat", "hub", "engines", "accelerators", "inventory", "limits", "network", "measurements"]
{{- end -}}

{{- define "genmodel.settingsSections" -}}
["leaderElection", "hub", "engines", "accelerators", "inventory", "limits", "network", "measurements"]
{{- end -}}
