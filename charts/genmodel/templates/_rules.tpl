{{/* What the operator does in the namespaces that it serves. */}}
{{- define "genmodel.namespacedRules" -}}
- apiGroups: [genmodel.dev]
  resources: [generativemodels]
  verbs: [get, list, watch]
- apiGroups: [genmodel.dev]
  resources: [generativemodels/status]
  verbs: [patch]
# Owner references that block deletion need this where the cluster enforces OwnerReferencesPermissionEnforcement.
- apiGroups: [genmodel.dev]
  resources: [generativemodels/finalizers]
  verbs: [update]
# Server-side apply is patch, and create where the object is new.
- apiGroups: [apps]
  resources: [deployments, controllerrevisions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
# Claims are never deleted: what was downloaded outlives its model.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# Listed only by the uid of a pod that finds no node or does not start; never watched.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, list]
{{- with .Values.hub.tokenSecretNames }}
# Only these Secrets, only by name; to list or watch them would read every Secret.
- apiGroups: [""]
  resources: [secrets]
  resourceNames:
    {{- toYaml . | nindent 4 }}
  verbs: [get]
{{- end }}
{{- end -}}

{{/* The planner reads what the nodes have. */}}
{{- define "genmodel.nodeRules" -}}
- apiGroups: [""]
  resources: [nodes]
  verbs: [list, watch]
{{- end -}}

{{/* What running servers measured is kept in one ConfigMap, written by server-side apply: patch, and create of that name. */}}
{{- define "genmodel.measurementRules" -}}
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [{{ .Values.measurements.configMap | quote }}]
  verbs: [get, create, patch]
{{- end -}}

{{- define "genmodel.subject" -}}
- kind: ServiceAccount
  name: {{ include "genmodel.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
