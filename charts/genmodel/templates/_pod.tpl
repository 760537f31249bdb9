{{/* What the operator's pod and the pod of helm test have in common. */}}
{{- define "genmodel.podSettings" -}}
serviceAccountName: {{ include "genmodel.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "genmodel.containerSettings" -}}
image: {{ include "genmodel.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
  - name: GENMODEL_OPERATOR_CONFIG
    value: /etc/genmodel-operator/settings.yaml
  - name: HOME
    value: /tmp
  # Events about the operator itself name its pod.
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: POD_NAMESPACE
    valueFrom:
      fieldRef:
        fieldPath: metadata.namespace
  - name: POD_UID
    valueFrom:
      fieldRef:
        fieldPath: metadata.uid
  {{- with (include "genmodel.wayOut" . | trim) }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Proxies and certificate authorities. The API server is never asked through a proxy. */}}
{{- define "genmodel.wayOut" -}}
{{- with .Values.proxy.httpsProxy }}
- name: HTTPS_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.proxy.httpProxy }}
- name: HTTP_PROXY
  value: {{ . | quote }}
{{- end }}
{{- if or .Values.proxy.httpsProxy .Values.proxy.httpProxy }}
- name: NO_PROXY
  value: {{ prepend (compact (list .Values.proxy.noProxy)) "$(KUBERNETES_SERVICE_HOST),localhost,127.0.0.1,.svc,.cluster.local" | join "," | quote }}
{{- end }}
{{- if .Values.extraCA.configMap }}
- name: SSL_CERT_FILE
  value: /etc/genmodel-ca/ca.crt
{{- end }}
{{- end -}}

{{- define "genmodel.volumeMounts" -}}
- name: settings
  mountPath: /etc/genmodel-operator
  readOnly: true
- name: policy
  mountPath: /etc/genmodel-policy
  readOnly: true
- name: service-account
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- if .Values.extraCA.configMap }}
- name: ca
  mountPath: /etc/genmodel-ca
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "genmodel.volumes" -}}
- name: settings
  configMap:
    name: {{ include "genmodel.fullname" . }}
- name: policy
  configMap:
    name: {{ include "genmodel.fullname" . }}-policy
# What automounting would do, but only in this container.
- name: service-account
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3607
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
- name: tmp
  emptyDir:
    sizeLimit: 128Mi
{{- if .Values.extraCA.configMap }}
- name: ca
  configMap:
    name: {{ .Values.extraCA.configMap }}
    items:
      - key: {{ .Values.extraCA.key }}
        path: ca.crt
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Several operators are of no use on one node: they go to different ones where that is possible. */}}
{{- define "genmodel.affinity" -}}
{{- if .Values.affinity -}}
{{- toYaml .Values.affinity -}}
{{- else if gt (int .Values.replicas) 1 -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "genmodel.selectorLabels" . | nindent 12 }}
{{- end -}}
{{- end -}}
