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
# A Service goes with its model, and never before.
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch]
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
{{- if .Values.metrics.podMonitor.enabled }}
- apiGroups: [monitoring.coreos.com]
  resources: [podmonitors]
  verbs: [get, list, watch, create, patch]
{{- end }}
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

{{/* The planner reads what the nodes have, but where pools say it all. */}}
{{- define "genmodel.nodeRules" -}}
- apiGroups: [""]
  resources: [nodes]
  verbs: [list, watch]
{{- end -}}

{{/* Events about the operator's own pod, such as that of a policy that does not hold. */}}
{{- define "genmodel.ownRules" -}}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{/* What running servers measured is kept in one ConfigMap, written by server-side apply: patch, and create of that name. */}}
{{- define "genmodel.measurementRules" -}}
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [{{ .Values.measurements.configMap | quote }}]
  verbs: [get, create, patch]
{{- end -}}

{{/* The leader of several operators holds one Lease. A creation cannot be bound to a name. */}}
{{- define "genmodel.leaseRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "genmodel.fullname" . | quote }}]
  verbs: [get, update]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
{{- end -}}

{{/* All that is granted: roles with their rules, in a namespace or, without one, in the whole cluster. */}}
{{- define "genmodel.grants" -}}
{{- $name := include "genmodel.fullname" . -}}
{{- $own := include "genmodel.namespace" . -}}
{{- range .Values.watchNamespaces }}
- name: {{ $name }}
  namespace: {{ . }}
  rules:
    {{- include "genmodel.namespacedRules" $ | nindent 4 }}
{{- end }}
{{- $readsNodes := eq .Values.inventory.mode "nodes" }}
{{- if or $readsNodes (not .Values.watchNamespaces) }}
- name: {{ $name }}{{ if .Values.watchNamespaces }}-nodes{{ end }}
  rules:
    {{- if not .Values.watchNamespaces }}
    {{- include "genmodel.namespacedRules" . | nindent 4 }}
    {{- end }}
    {{- if $readsNodes }}
    {{- include "genmodel.nodeRules" . | nindent 4 }}
    {{- end }}
{{- end }}
{{- if and .Values.watchNamespaces (not (has $own .Values.watchNamespaces)) }}
- name: {{ $name }}-own
  namespace: {{ $own }}
  rules:
    {{- include "genmodel.ownRules" . | nindent 4 }}
{{- end }}
- name: {{ $name }}-measurements
  namespace: {{ default $own .Values.measurements.namespace }}
  rules:
    {{- include "genmodel.measurementRules" . | nindent 4 }}
{{- if gt (int .Values.replicas) 1 }}
- name: {{ $name }}-lease
  namespace: {{ default $own .Values.leaderElection.leaseNamespace }}
  rules:
    {{- include "genmodel.leaseRules" . | nindent 4 }}
{{- end }}
{{- end -}}
