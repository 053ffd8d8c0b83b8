/**
 * YAML and JSON texts -> plain values that know where they stand in their file.
 * Several documents a file; whatever is wrong is a problem with a place, and the documents beside it are kept.
 * Plain scalars follow the YAML 1.2 core schema (`yes` is a text, `0o17` a number), but for `017`, which is octal.
 */
import {
  type AliasEvent,
  EVENT_ID,
  type Event,
  getScalarValue,
  type MappingEvent,
  parseEvents,
  SCALAR_STYLE,
  type ScalarEvent,
  type SequenceEvent,
  YAMLException,
} from 'js-yaml';
import { parseJson } from './json.ts';
import type { Position, Problem } from './problem.ts';
import { LineIndex, type Mark, splitDocuments, type TextPart } from './yaml-position.ts';
import { resolvePlain } from './yaml-scalar.ts';

export interface YamlDocument {
  readonly file: string;
  /** Plain objects, arrays, strings, numbers, booleans and null. */
  readonly value: unknown;
  /** Where the document's content begins. */
  readonly start: Position;
  /** What is wrong inside this document (duplicate keys, tags); also in the list of the whole text. */
  readonly problems: readonly Problem[];
  /**
   * Where `path` stands: the key of a field, the value of an item of a list; of the nearest
   * enclosing field if the last steps are not there. Undefined if not even the first step is.
   * The empty path is the document's start.
   */
  positionOf(path: readonly (string | number)[]): Position | undefined;
}

export interface YamlResult {
  /** In order of the text; documents without content (comments only) are left out. */
  readonly documents: readonly YamlDocument[];
  readonly problems: readonly Problem[];
  /** Whether some document could not be parsed at all, so that `documents` may lack what it held. */
  readonly incomplete: boolean;
}

/** Nodes that aliases may add to a document: enough for people, too few for a bomb. */
const maxAliasedNodes = 100_000;

/** Levels of nesting; no kind anyone writes comes near. */
const maxDepth = 100;

/** @param file the name that positions carry; nothing is read from it. */
export function parseYaml(text: string, file: string): YamlResult {
  const json = parseJson(text, maxDepth);
  if (json !== undefined) return jsonDocument(json.value, text, file);
  const tree = parseEvery(text, file);
  const { problems, incomplete } = tree;
  const places = new Places(text, file, tree);
  const documents = tree.documents.map((document, at) => ({ ...document, positionOf: places.of(at) }));
  return {
    documents: documents.filter(({ value, problems: own }) => value !== null || own.length > 0),
    problems,
    incomplete,
  };
}

/** Much the cheaper way to the same: where its fields stand is found out when somebody asks. */
function jsonDocument(value: unknown, text: string, file: string): YamlResult {
  const start = new LineIndex(text, file).positionAt(text.indexOf('{'));
  const positionOf = new Places(text, file).of(0);
  return { documents: [{ file, value, start, problems: [], positionOf }], problems: [], incomplete: false };
}

/**
 * Where the fields of a text stand. Asked for soon after it was read, or seldom: the tree of places, larger than the
 * text, is not held on to, and made anew where it is gone.
 */
class Places {
  readonly #text: string;
  readonly #file: string;
  #tree: WeakRef<Tree> | undefined;

  constructor(text: string, file: string, tree?: Tree) {
    this.#text = text;
    this.#file = file;
    if (tree !== undefined) this.#tree = new WeakRef(tree);
  }

  /** Of the document at this place in the text. */
  of(document: number): YamlDocument['positionOf'] {
    return (path) => {
      const { lines, marks } = this.#read();
      const mark = marks[document];
      return mark && lines.positionOf(mark, path);
    };
  }

  #read(): Tree {
    const known = this.#tree?.deref();
    if (known !== undefined) return known;
    const tree = parseEvery(this.#text, this.#file);
    this.#tree = new WeakRef(tree);
    return tree;
  }
}

type Unplaced = Omit<YamlDocument, 'positionOf'>;

/** Every document of a text, those without content too. */
interface Tree extends Omit<YamlResult, 'documents'> {
  readonly documents: readonly Unplaced[];
  readonly lines: LineIndex;
  /** Of each document. */
  readonly marks: readonly Mark[];
}

function parseEvery(text: string, file: string): Tree {
  const lines = new LineIndex(text, file);
  const whole: TextPart = { text, offset: 0 };
  const events = readEvents(whole, lines);
  if (Array.isArray(events)) return build([{ part: whole, events }], lines, []);
  // Parse document by document, so that one broken document does not hide the others.
  const problems: Problem[] = [];
  const parts: Parsed[] = [];
  for (const part of splitDocuments(text)) {
    const read = readEvents(part, lines);
    if (Array.isArray(read)) parts.push({ part, events: read });
    else problems.push(read);
  }
  return build(parts, lines, problems.length > 0 ? problems : [events]);
}

interface Parsed {
  readonly part: TextPart;
  readonly events: readonly Event[];
}

function readEvents(part: TextPart, lines: LineIndex): Event[] | Problem {
  try {
    return parseEvents(part.text, { maxDepth });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const offset = part.offset + (error.mark?.position ?? 0);
    return { level: 'error', message: `not valid YAML: ${error.reason}`, at: lines.positionAt(offset) };
  }
}

function build(parts: readonly Parsed[], lines: LineIndex, syntax: readonly Problem[]): Tree {
  const located = parts.flatMap(({ part, events }) => new Builder(part, events, lines).documents());
  const documents = located.map(({ document }) => document);
  const problems = [...syntax, ...documents.flatMap((document) => document.problems)];
  problems.sort((a, b) => (a.at?.line ?? 0) - (b.at?.line ?? 0));
  const marks = located.map(({ mark }) => mark);
  return { documents, marks, lines, problems, incomplete: syntax.length > 0 };
}

interface Located {
  readonly document: Unplaced;
  readonly mark: Mark;
}

/** A value under construction. `size` counts its nodes with every alias written out. */
interface Built {
  readonly value: unknown;
  readonly mark: Mark;
  readonly size: number;
}

/** Walks the flat list of events of one text and builds its documents. */
class Builder {
  readonly #part: TextPart;
  readonly #events: readonly Event[];
  readonly #lines: LineIndex;
  #next = 0;
  #anchors = new Map<string, Built>();
  #problems: Problem[] = [];
  #aliasedNodes = 0;

  constructor(part: TextPart, events: readonly Event[], lines: LineIndex) {
    this.#part = part;
    this.#events = events;
    this.#lines = lines;
  }

  documents(): Located[] {
    const documents: Located[] = [];
    while (this.#next < this.#events.length) {
      this.#next++; // DOCUMENT
      this.#anchors = new Map();
      this.#problems = [];
      this.#aliasedNodes = 0;
      const empty = this.#events[this.#next]?.type === EVENT_ID.POP;
      const built = empty ? undefined : this.#node(this.#part.offset);
      this.#next++; // POP
      if (built !== undefined) documents.push(this.#document(built));
    }
    return documents;
  }

  #document({ value, mark }: Built): Located {
    const document = {
      file: this.#lines.file,
      value,
      start: this.#lines.positionAt(mark.valueOffset),
      problems: this.#problems,
    };
    return { document, mark };
  }

  /** @param fallback offset that stands for a node without text, such as the empty value of `key:`. */
  #node(fallback: number): Built {
    const event = this.#events[this.#next++];
    switch (event?.type) {
      case EVENT_ID.SCALAR:
        return this.#scalar(event, fallback);
      case EVENT_ID.SEQUENCE:
        return this.#sequence(event);
      case EVENT_ID.MAPPING:
        return this.#mapping(event);
      case EVENT_ID.ALIAS:
        return this.#alias(event);
      default:
        throw new Error(`a node was expected at event ${this.#next - 1}`);
    }
  }

  #scalar(event: ScalarEvent, fallback: number): Built {
    const offset =
      event.valueStart < 0 ? fallback : this.#part.offset + event.valueStart - quoteLength(event);
    const text = event.valueStart < 0 ? '' : getScalarValue(this.#part.text, event);
    const tag = this.#tag(event);
    const plain = event.style === SCALAR_STYLE.PLAIN;
    const isText = tag === '!' || tag === '!!str' || (tag === '' && !plain);
    const value = isText ? text : resolvePlain(text);
    if (!isText && tag !== '') this.#checkTag(tag, value, offset);
    return this.#anchored(event, { value, mark: { valueOffset: offset }, size: 1 });
  }

  #sequence(event: SequenceEvent): Built {
    const offset = this.#part.offset + event.start;
    const tag = this.#tag(event);
    if (tag !== '' && tag !== '!!seq') this.#report(`the tag ${tag} is not known here`, offset);
    const items: unknown[] = [];
    const marks: Mark[] = [];
    let size = 1;
    while (this.#events[this.#next]?.type !== EVENT_ID.POP) {
      const item = this.#node(offset);
      items.push(item.value);
      marks.push(item.mark);
      size += item.size;
    }
    this.#next++;
    return this.#anchored(event, { value: items, mark: { valueOffset: offset, children: marks }, size });
  }

  #mapping(event: MappingEvent): Built {
    const offset = this.#part.offset + event.start;
    const tag = this.#tag(event);
    if (tag !== '' && tag !== '!!map') this.#report(`the tag ${tag} is not known here`, offset);
    const fields = new Map<string, Built>();
    const merged: Built[] = [];
    let size = 1;
    while (this.#events[this.#next]?.type !== EVENT_ID.POP) {
      const isPlainKey = (this.#events[this.#next] as ScalarEvent).style === SCALAR_STYLE.PLAIN;
      const key = this.#node(offset);
      const keyOffset = key.mark.valueOffset;
      const built = this.#node(keyOffset);
      size += built.size;
      const name = this.#keyName(key);
      if (name === undefined) continue;
      if (name === '<<' && isPlainKey) merged.push(built);
      else if (fields.has(name)) this.#report(`the key ${JSON.stringify(name)} is there twice`, keyOffset);
      else fields.set(name, { ...built, mark: { ...built.mark, keyOffset } });
    }
    this.#next++;
    for (const source of merged) this.#merge(source, fields);
    return this.#anchored(event, { ...objectOf(fields, offset), size });
  }

  /** `<<: *base` and `<<: [*a, *b]`: fields that are not there yet, from the first that has them. */
  #merge(source: Built, into: Map<string, Built>): void {
    const sources = Array.isArray(source.value) ? source.value : [source.value];
    const marks = Array.isArray(source.value) ? (source.mark.children as readonly Mark[]) : [source.mark];
    sources.forEach((from: unknown, index) => {
      const mark = marks[index]!;
      if (typeof from !== 'object' || from === null || Array.isArray(from)) {
        this.#report('<<: takes a mapping or a list of mappings', mark.keyOffset ?? mark.valueOffset);
        return;
      }
      const children = mark.children as ReadonlyMap<string, Mark>;
      for (const [name, value] of Object.entries(from)) {
        if (!into.has(name)) into.set(name, { value, mark: children.get(name)!, size: 0 });
      }
    });
  }

  #keyName(key: Built): string | undefined {
    if (key.value === null || typeof key.value === 'object') {
      this.#report('a key is a text', key.mark.valueOffset);
      return undefined;
    }
    return String(key.value);
  }

  #alias(event: AliasEvent): Built {
    const name = this.#part.text.slice(event.anchorStart, event.anchorEnd);
    const offset = this.#part.offset + event.anchorStart - 1;
    const nothing: Built = { value: null, mark: { valueOffset: offset }, size: 1 };
    const target = this.#anchors.get(name);
    if (target === undefined) {
      this.#report(`the alias *${name} has no anchor before it`, offset);
      return nothing;
    }
    this.#aliasedNodes += target.size;
    if (this.#aliasedNodes <= maxAliasedNodes) return target;
    if (this.#aliasedNodes - target.size <= maxAliasedNodes) {
      this.#report(`aliases unfold to more than ${maxAliasedNodes} values`, offset);
    }
    return nothing;
  }

  #anchored(event: { readonly anchorStart: number; readonly anchorEnd: number }, built: Built): Built {
    if (event.anchorStart >= 0) {
      this.#anchors.set(this.#part.text.slice(event.anchorStart, event.anchorEnd), built);
    }
    return built;
  }

  #tag(event: { readonly tagStart: number; readonly tagEnd: number }): string {
    return event.tagStart < 0 ? '' : this.#part.text.slice(event.tagStart, event.tagEnd);
  }

  #checkTag(tag: string, value: unknown, offset: number): void {
    const kinds: Record<string, string> = { '!!int': 'number', '!!float': 'number', '!!bool': 'boolean' };
    const fits = tag === '!!null' ? value === null : typeof value === kinds[tag];
    if (!fits) this.#report(`the tag ${tag} is not known here or does not fit its value`, offset);
  }

  #report(message: string, offset: number): void {
    this.#problems.push({ level: 'error', message, at: this.#lines.positionAt(offset) });
  }
}

function objectOf(fields: ReadonlyMap<string, Built>, valueOffset: number): Pick<Built, 'value' | 'mark'> {
  const value: Record<string, unknown> = {};
  const children = new Map<string, Mark>();
  for (const [name, field] of fields) {
    if (name === '__proto__') define(value, name, field.value);
    else value[name] = field.value;
    children.set(name, field.mark);
  }
  return { value, mark: { valueOffset, children } };
}

/** Not assigned: `__proto__` is a field like any other. Objects that are made so all over take more room. */
function define(on: object, name: string, value: unknown): void {
  Object.defineProperty(on, name, { value, enumerable: true, configurable: true, writable: true });
}

/** The offsets of a quoted scalar leave the quote out; a person looks for the quote. */
function quoteLength(event: ScalarEvent): number {
  return event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED ? 1 : 0;
}
