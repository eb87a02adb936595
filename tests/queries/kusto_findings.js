// What Microsoft's own KQL parser and semantic checker says of queries.
//
// usage: node kusto_findings.js NODE_MODULES < {"tables": {NAME: "(column: type, ...)"}, "queries": {NAME: TEXT}}
// Prints {NAME: ["KS142 Error: message (at \"text\")", ...]}; a query without findings has an empty list.
"use strict";

const fs = require("fs");
const path = require("path");
const vm = require("vm");

const folder = path.join(process.argv[2], "@kusto", "language-service-next");
for (const file of ["bridge.min.js", "Kusto.Language.Bridge.min.js"]) {
    vm.runInThisContext(fs.readFileSync(path.join(folder, file), "utf8"), { filename: file });
}
const { KustoCode, GlobalState, Symbols, Editor } = Kusto.Language;

const { tables, queries } = JSON.parse(fs.readFileSync(0, "utf8"));
const members = Object.entries(tables).map(([name, columns]) => new Symbols.TableSymbol.$ctor7(name, columns, ""));
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.$ctor1("insights", members));

function findings(text) {
    const code = KustoCode.ParseAndAnalyze(text, globals);
    const service = new Editor.KustoCodeService.$ctor1(code);
    return [code.GetDiagnostics(), service.GetAnalyzerDiagnostics(true)]
        .flatMap((found) => Bridge.toArray(found))
        .filter((one) => one.Severity === "Error" || one.Severity === "Warning")
        .map((one) => `${one.Code} ${one.Severity}: ${one.Message} (at "${text.substr(one.Start, one.Length)}")`);
}

const found = Object.fromEntries(Object.entries(queries).map(([name, text]) => [name, findings(text)]));
process.stdout.write(JSON.stringify(found));
