/** How names in proto files become names of properties and types, as protoc and protobuf-es have it. */

/** Name of a property that objects of JavaScript have already gets a `$`. */
const taken: ReadonlySet<string> = new Set(['constructor', 'toString', 'toJSON', 'valueOf']);

/** @param around the message or package it stands in; '' for none. */
export function typeNameIn(around: string, name: string): string {
  return around === '' ? name : `${around}.${name}`;
}

export function safeProperty(name: string): string {
  return taken.has(name) ? `${name}$` : name;
}

/** `idle_timeout` -> `idleTimeout`; as protoc does, a digit is not raised and ends the raising. */
export function camelCase(name: string): string {
  if (!name.includes('_')) return name;
  return name.replace(/_+([^_]?)/g, (_, next: string) => next.toUpperCase());
}

/** `http_status_` of `HttpStatus`, where all values begin with it and have a name left. */
export function sharedPrefix(name: string, values: readonly string[]): string | undefined {
  const snake = name.charAt(0) + name.slice(1).replace(/[A-Z]/g, (letter) => `_${letter}`);
  const prefix = `${snake.toLowerCase()}_`;
  const all = values.every((value) => {
    const rest = value.slice(prefix.length);
    return value.toLowerCase().startsWith(prefix) && rest !== '' && !/^\d/.test(rest);
  });
  return all ? prefix : undefined;
}
