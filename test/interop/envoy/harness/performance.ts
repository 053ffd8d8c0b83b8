/** One case on one proxy: the client's part, and then what can be seen of it from all sides. */
import type { Backend } from '../backend/backend.ts';
import type { Case, ClientView, Observation, Play } from './case.ts';
import { Draw } from './draw.ts';
import { risen, type Stats, underWay } from './statistics.ts';
import type { Subject } from './subject.ts';

export class Performance {
  /** Whether no request and no connection is under way, and all lines of log are there. */
  quiet = false;
  readonly #subject: Subject;
  readonly #case: Case;
  readonly #id: string;
  readonly #portNames = new Map<number, string>();
  readonly #ending: (() => void)[] = [];
  #before: Stats = new Map();
  #logged = 0;
  #view: ClientView | undefined;

  constructor(subject: Subject, row: Case, id: string) {
    this.#subject = subject;
    this.#case = row;
    this.#id = id;
    for (const [name, port] of subject.ports) this.#portNames.set(port, `PORT_${name}`);
    for (const [name, backend] of subject.backends) this.#portNames.set(backend.port, `BACKEND_${name}`);
  }

  async play(): Promise<void> {
    const { backends } = this.#subject;
    for (const [name, backend] of backends) {
      backend.clear();
      backend.answers = this.#case.answers?.[name];
    }
    this.#before = await this.#subject.stats();
    this.#logged = this.#subject.log().length;
    try {
      this.#view = await this.#case.play(this.#context());
    } finally {
      for (const end of this.#ending) end();
    }
  }

  /** What the client saw; only after `play`. */
  view(): ClientView {
    if (this.#view === undefined) throw new Error('not played');
    return this.#view;
  }

  async observe(): Promise<Observation> {
    const stats = await this.#subject.stats();
    const all = this.#subject.log().slice(this.#logged);
    const log = all.filter((line) => !line.startsWith('probe '));
    const { statuses, connection, lines } = this.view();
    const probed = connection === 'open' ? 1 : 0;
    const active = underWay(stats);
    this.quiet =
      active.length === 0 &&
      log.length >= (this.#case.logLines ?? statuses.length) &&
      (all.length - log.length >= probed || this.#case.logLines === 0);
    const seen = [...this.#subject.backends.values()].flatMap((backend) =>
      backend.seen.filter(({ id }) => id !== 'probe').flatMap((one) => one.lines()),
    );
    return {
      client: [...lines, ...(connection === undefined ? [] : [`connection ${connection}`])].map(this.#named),
      upstream: seen.map(this.#named),
      log: log.map(this.#named),
      active,
      stats:
        this.#case.uncounted === undefined
          ? risen(this.#before, stats, Object.keys(this.#case.expect.stats ?? {}))
          : {},
    };
  }

  /** The text with ports and the folder by their names, and control characters to be seen. */
  readonly #named = (line: string): string =>
    visible(line.replaceAll(this.#subject.folder, '@FOLDER@')).replace(
      /(?<![\d.a-z-])\d{4,5}(?![\d.a-z-])/g,
      (port) => this.#portNames.get(Number(port)) ?? port,
    );

  #context(): Play {
    const { ports, backends, certificates, folder } = this.#subject;
    const on = this.#case.on ?? 'main';
    const port = (name: string = on): number => {
      const found = ports.get(name);
      if (found === undefined) throw new Error(`no listener ${name}`);
      return found;
    };
    const backend = (name: string): Backend => {
      const found = backends.get(name);
      if (found === undefined) throw new Error(`no backend ${name}`);
      return found;
    };
    return {
      ...{ id: this.#id, listener: on, port, backend, certificates, folder },
      draw: new Draw(`${this.#case.name}`),
      admin: (path, method) => this.#subject.admin(path, method),
      after: (run) => this.#ending.push(run),
      portName: (number, name) => this.#portNames.set(number, name),
    };
  }
}

const visible = (line: string): string => {
  const seen = [...line].map((char) => {
    const code = char.charCodeAt(0);
    const control = (code < 0x20 && char !== '\t') || code === 0x7f;
    return control ? `<${code.toString(16).padStart(2, '0')}>` : char;
  });
  return seen.join('');
};
