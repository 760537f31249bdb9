{{- define "genmodel.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "genmodel.fullname" -}}
{{- $name := include "genmodel.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "genmodel.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "genmodel.selectorLabels" -}}
app.kubernetes.io/name: {{ include "genmodel.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{/* The pod of helm test: not what the Service leads to. */}}
{{- define "genmodel.checkName" -}}
{{ include "genmodel.fullname" . }}-check
{{- end -}}

{{/* The operator watches what is managed by genmodel-operator: its own objects must not say so. */}}
{{- define "genmodel.labels" -}}
{{ include "genmodel.selectorLabels" . }}
app.kubernetes.io/part-of: genmodel
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "genmodel.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "genmodel.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "genmodel.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry -}}
{{- $image := printf "%s/%s" $registry .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $image .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* A whole image reference with its registry replaced: dict "image" "registry". */}}
{{- define "genmodel.mirrored" -}}
{{- $parts := splitList "/" .image -}}
{{- $first := first $parts -}}
{{- if not .registry -}}
{{- .image -}}
{{- else if or (contains "." $first) (contains ":" $first) (eq "localhost" $first) -}}
{{- printf "%s/%s" .registry (rest $parts | join "/") -}}
{{- else -}}
{{- printf "%s/%s" .registry .image -}}
{{- end -}}
{{- end -}}

{{/* The operator's settings file: the values that are settings, in the names of settings.py. */}}
{{- define "genmodel.settings" -}}
{{- $values := .Values -}}
{{- $registry := .Values.global.imageRegistry -}}
{{- $fullname := include "genmodel.fullname" . -}}
{{- $proxy := .Values.proxy -}}
{{- $settings := dict "runtime_image" (include "genmodel.image" .) "policy_file" "/etc/genmodel-policy/policy.yaml" -}}
{{- $monitors := .Values.metrics.podMonitor -}}
{{- $interval := dict "interval_seconds" (int $monitors.intervalSeconds) -}}
{{- $_ := set $settings "pod_monitors" (merge $interval (pick $monitors "enabled" "labels")) -}}
{{- range $key := fromJsonArray (include "genmodel.settingsKeys" .) -}}
{{- $value := get $values $key -}}
{{- if kindIs "map" $value -}}
{{- $section := dict -}}
{{- range $name, $setting := $value -}}
{{- if and $registry $setting (has $name (list "gpuImage" "rocmImage" "cpuImage")) -}}
{{- $setting = include "genmodel.mirrored" (dict "image" $setting "registry" $registry) -}}
{{- end -}}
{{- $_ := set $section (snakecase $name) $setting -}}
{{- end -}}
{{- if eq $key "leaderElection" -}}
{{- $_ := set $section "lease_name" $fullname -}}
{{- end -}}
{{- if eq $key "hub" -}}
{{- range $name, $url := dict "https_proxy" $proxy.httpsProxy "http_proxy" $proxy.httpProxy "no_proxy" $proxy.noProxy -}}
{{- $_ := set $section $name (default $url (get $section $name)) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $settings (snakecase $key) $section -}}
{{- else if hasKey $values $key -}}
{{- $_ := set $settings (snakecase $key) $value -}}
{{- end -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end -}}

{{/* Sections that are not there: a key without a value takes the defaults away, and so does helm with old values. */}}
{{- define "genmodel.validateSections" -}}
{{- $values := .Values -}}
{{- $sections := concat (fromJsonArray (include "genmodel.settingsSections" .)) (list "crds" "extraCA" "global" "image" "livenessProbe" "metrics" "networkPolicy" "podDisruptionBudget" "policy" "proxy" "rbac" "readinessProbe" "serviceAccount" "startupProbe") -}}
{{- $parts := list "service" "podMonitor" "prometheusRule" "dashboards" -}}
{{- range $key := $sections -}}
{{- if not (hasKey $values $key) -}}
{{- include "genmodel.noSection" $key -}}
{{- end -}}
{{- end -}}
{{- range $part := $parts -}}
{{- if not (hasKey $values.metrics $part) -}}
{{- include "genmodel.noSection" (printf "metrics.%s" $part) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "genmodel.noSection" -}}
{{- fail (printf "there is no value %s: it is a key without a value, which takes its defaults away, or helm kept the defaults of an earlier release (--reuse-values); leave the key out, or upgrade with --reset-then-reuse-values" .) -}}
{{- end -}}

{{/* Values that contradict each other; each message names both. */}}
{{- define "genmodel.validate" -}}
{{- include "genmodel.validateSections" . -}}
{{- with .Values -}}
{{- if and .podDisruptionBudget.enabled (lt (int .replicas) 2) -}}
{{- fail "podDisruptionBudget.enabled is true and replicas is 1: no node under the operator could ever be drained; set replicas to 2 or more" -}}
{{- end -}}
{{- if and .rbac.create (not .serviceAccount.create) (not .serviceAccount.name) -}}
{{- fail "serviceAccount.create is false and serviceAccount.name is empty: rbac.create would give the operator's rights to the account default, and so to other pods; name an account of the operator's own" -}}
{{- end -}}
{{- if and .hub.tokenSecretNames (not (has .hub.tokenSecretName .hub.tokenSecretNames)) -}}
{{- fail (printf "hub.tokenSecretName is %s, which is not in hub.tokenSecretNames: the operator might not read it; add it there" .hub.tokenSecretName) -}}
{{- end -}}
{{- if and .accelerators.pools .policy.pools -}}
{{- fail "accelerators.pools and policy.pools are both set: keep the pools in one of the two; those of the policy are read without a restart" -}}
{{- end -}}
{{- if and (eq .inventory.mode "pools") (not .accelerators.pools) (not .policy.pools) -}}
{{- fail "inventory.mode is pools, and neither policy.pools nor accelerators.pools describes a node: nothing could be planned; describe them in policy.pools" -}}
{{- end -}}
{{- range concat .accelerators.pools .policy.pools -}}
{{- if ne (eq .product "CPU") (eq (int .devices) 0) -}}
{{- fail (printf "the pool %s has the product %s and devices %d: nodes of the product CPU have none, and all others have some" .name .product (int .devices)) -}}
{{- end -}}
{{- end -}}
{{- if and .watchNamespaces .rbac.aggregate -}}
{{- fail "watchNamespaces is set and rbac.aggregate is true: roles for the users of the whole cluster are more than an operator of some namespaces may give; set rbac.aggregate to false" -}}
{{- end -}}
{{- end -}}
{{- end -}}
