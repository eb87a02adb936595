#!/usr/bin/env bash
# Deploys what `pf-monitor azure export` wrote beside this file, with the Azure CLI. May be run again: names are made of
# the watched resource's id, so that the same artefacts are changed rather than others added.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
    cat <<'USAGE'
Usage: ./deploy.sh --resource-id ID [--resource-group NAME] [--email ADDRESS]... [--what-if | --yes]

  --resource-id ID       the watched resource; not needed if it was given to `pf-monitor azure export`
  --resource-group NAME  where the artefacts are kept; default: the watched resource's own group
  --email ADDRESS        who is told of alerts; repeat for several
  --what-if              show what would change, and change nothing
  --yes                  do not ask before changing

An https address in the environment variable WEBHOOK_URI is told of alerts too.
USAGE
}

fail() {
    echo "$1" >&2
    exit 1
}

resource_id='@RESOURCE_ID@'
group=
only_show=false
ask=true
emails=()
while [ $# -gt 0 ]; do
    case "$1" in
        --resource-id | --resource-group | --email)
            [ $# -ge 2 ] || fail "$1 needs a value"
            case "$1" in
                --resource-id) resource_id=$2 ;;
                --resource-group) group=$2 ;;
                --email) emails+=("$2") ;;
            esac
            shift 2
            ;;
        --what-if) only_show=true && shift ;;
        --yes) ask=false && shift ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && fail "Unknown argument: $1" ;;
    esac
done

resource_pattern='^/subscriptions/([A-Za-z0-9_.()-]+)/resourceGroups/([A-Za-z0-9_.()-]+)/providers/@RESOURCE_TYPE@/[A-Za-z0-9_.()-]+$'
shopt -s nocasematch
[ -n "$resource_id" ] || { usage >&2 && fail "Which resource? Give --resource-id ID"; }
[[ $resource_id =~ $resource_pattern ]] || fail "Not the id of a @RESOURCE_TYPE@ resource: $resource_id"
shopt -u nocasematch
subscription=${BASH_REMATCH[1]}
group=${group:-${BASH_REMATCH[2]}}

command -v az >/dev/null || fail "The Azure CLI is not installed: https://learn.microsoft.com/cli/azure/install-azure-cli"
az account show --output none 2>/dev/null || fail "The Azure CLI is not signed in. Run: az login"

location=$(az resource show --ids "$resource_id" --query location --output tsv) ||
    fail "There is no $resource_id, or your account may not read it"

# Addresses go into a file of the owner's alone: arguments of a process can be seen by others on the machine.
secrets=$(mktemp)
trap 'rm -f "$secrets"' EXIT
chmod 600 "$secrets"
listed=
for email in ${emails[@]+"${emails[@]}"}; do
    [[ $email =~ ^[^\"\\[:space:]]+@[^\"\\[:space:]]+$ ]] || fail "Not an e-mail address: $email"
    listed+="${listed:+, }\"$email\""
done
webhook=${WEBHOOK_URI:-}
[[ -z $webhook || $webhook =~ ^https://[^\"\\[:space:]]+$ ]] || fail "WEBHOOK_URI is not an https address"
printf '{"emails": {"value": [%s]}, "webhookUri": {"value": "%s"}}\n' "$listed" "$webhook" >"$secrets"

deployment() {
    local action=$1 name=$2
    local arguments=(
        --subscription "$subscription" --resource-group "$group" --name "pf-monitor-$name" --template-file "$name.json"
        --parameters "resourceId=$resource_id" "location=$location"
    )
    if [ "$name" = alerts ]; then arguments+=(--parameters "@$secrets"); fi
    if [ "$action" = create ]; then arguments+=(--mode Incremental --output none); fi
    az deployment group "$action" "${arguments[@]}"
}

for name in workbook alerts queries; do
    echo "== $name: what would change"
    deployment what-if "$name"
done
if "$only_show"; then exit 0; fi

if "$ask"; then
    read -r -p "Deploy to resource group $group? [y/N] " answer
    [[ $answer == [yY]* ]] || fail "Nothing was changed."
fi
for name in workbook alerts queries; do
    echo "== $name: deploying"
    deployment create "$name"
done
echo "Done. The workbook is on the resource's page under Workbooks, the rules are under Alerts."
