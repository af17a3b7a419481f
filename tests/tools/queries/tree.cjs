// Parses the LogQL queries of a JSON list on standard input with the grammar of Grafana's own editor.
// Each becomes [name, start, end, [children...]]; a place where it is wrong has the name of lezer's error node.
const { parser } = require("@grafana/lezer-logql");

const node = (at) => {
  const children = [];
  for (let child = at.firstChild; child; child = child.nextSibling) children.push(node(child));
  return [at.type.isError ? "error" : at.name, at.from, at.to, children];
};

const queries = JSON.parse(require("fs").readFileSync(0, "utf-8"));
process.stdout.write(JSON.stringify(queries.map((query) => node(parser.parse(query).topNode))));
