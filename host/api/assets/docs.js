// Shows /api/openapi.json. Everything is set as text, never as markup.
"use strict";

const METHODS = ["get", "post", "put", "delete"];

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function table(caption, header, rows) {
  if (rows.length === 0) return "";
  const head = element("tr", {}, ...header.map((text) => element("th", { scope: "col" }, text)));
  const body = rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, cell))));
  return element("table", {}, element("caption", {}, caption), element("thead", {}, head), element("tbody", {}, ...body));
}

// A type in a few words, with links to the shapes it names.
function typeOf(schema) {
  if (!schema) return "any";
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return element("a", { href: `#shape-${name}` }, name);
  }
  const kinds = [schema.type].flat().filter(Boolean);
  if (kinds.includes("array")) return element("span", {}, "list of ", typeOf(schema.items));
  const choice = schema.oneOf || schema.anyOf;
  if (choice) return element("span", {}, ...choice.flatMap((one, at) => (at ? [" or ", typeOf(one)] : [typeOf(one)])));
  if (schema.enum) return schema.enum.join(" | ");
  return kinds.join(" or ") || "any";
}

function content(part) {
  const kinds = Object.entries((part && part.content) || {});
  return element("span", {}, ...kinds.flatMap(([kind, { schema }], at) => [at ? "; " : "", typeOf(schema), ` (${kind})`]));
}

function operation(method, path, described, open) {
  const id = described.operationId || `${method}-${path}`;
  const parameters = (described.parameters || []).map((parameter) => [
    element("code", {}, parameter.name), parameter.in + (parameter.required ? ", required" : ""), typeOf(parameter.schema), parameter.description || "",
  ]);
  const responses = Object.entries(described.responses || {}).map(([status, response]) => [
    element("code", {}, status), content(response), response.description || "",
  ]);
  const command = `curl -X ${method.toUpperCase()} ${location.origin}${path}` + (open ? "" : ' -H "Authorization: Bearer $(cat .bailiwick/data/operator.token)"');
  return element("details", { id },
    element("summary", {}, element("span", { class: "method" }, method.toUpperCase()), element("code", {}, path), element("span", { class: "said" }, described.summary || "")),
    element("p", {}, described.description || ""),
    element("p", {}, open ? "Open to everybody." : "Needs the operator's token."),
    table("Parameters", ["Name", "Where", "Type", "What"], parameters),
    described.requestBody ? element("p", {}, "Body: ", content(described.requestBody)) : "",
    table("Answers", ["Status", "Body", "When"], responses),
    element("pre", {}, command));
}

function shape(name, schema) {
  const required = new Set(schema.required || []);
  const fields = Object.entries(schema.properties || {}).map(([field, described]) => [
    element("code", {}, field), typeOf(described), required.has(field) ? "always" : "optional", described.description || "",
  ]);
  return element("details", { id: `shape-${name}` },
    element("summary", {}, element("code", {}, name), element("span", { class: "said" }, schema.description || "")),
    fields.length ? table("Fields", ["Name", "Type", "There", "What"], fields) : element("p", {}, typeOf(schema)));
}

function show(description) {
  const everywhere = (description.security || []).length === 0;
  document.getElementById("about").textContent = description.info.description || "";
  const main = document.getElementById("operations");
  main.replaceChildren();
  for (const tag of description.tags || []) {
    const found = Object.entries(description.paths).flatMap(([path, item]) => METHODS
      .filter((method) => item[method] && (item[method].tags || []).includes(tag.name))
      .map((method) => operation(method, path, item[method], everywhere || Boolean(item[method].security))));
    main.append(element("h2", { id: tag.name }, tag.name), element("p", {}, tag.description || ""), ...found);
    document.getElementById("contents").append(element("a", { href: `#${tag.name}` }, tag.name));
  }
  document.getElementById("shapes").replaceChildren(...Object.entries(description.components.schemas).map(([name, schema]) => shape(name, schema)));
}

// A link to a shape or an operation opens it.
addEventListener("hashchange", () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
});

fetch("/api/openapi.json")
  .then((response) => (response.ok ? response.json() : Promise.reject(new Error(`status ${response.status}`))))
  .then(show)
  .catch((cause) => { document.getElementById("operations").textContent = `The description cannot be read (${cause.message}): reload the page.`; });
