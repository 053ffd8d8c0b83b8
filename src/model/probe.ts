/** Probes of a container (Kubernetes, `Probe`): how to find out whether it has started, lives, and takes requests. */
import { list } from './decode/collection.ts';
import { type Decoder, describeValue } from './decode/decoder.ts';
import {
  atMostOneOf,
  defaulted,
  type Field,
  meaningless,
  type ObjectOf,
  object,
  optional,
  required,
  unsupported,
} from './decode/object.ts';
import { integer, nonEmptyText, oneOf, portNumber, text } from './decode/scalar.ts';
import { described, refined } from './decode/schema.ts';

export type ProbeAction<Port extends number | string = number | string> =
  | {
      readonly kind: 'httpGet';
      readonly scheme: 'HTTP' | 'HTTPS';
      /** Absent: the address of the instance. */
      readonly host?: string;
      readonly port: Port;
      readonly path: string;
      readonly headers: readonly { readonly name: string; readonly value: string }[];
    }
  | { readonly kind: 'tcpSocket'; readonly host?: string; readonly port: Port }
  | { readonly kind: 'exec'; readonly command: readonly string[] }
  | { readonly kind: 'grpc'; readonly port: number; readonly service: string };

export interface Probe {
  readonly action: ProbeAction;
  readonly initialDelaySeconds: number;
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  /** So many in a row, until it counts as well. */
  readonly successThreshold: number;
  /** So many in a row, until it does not. */
  readonly failureThreshold: number;
  /** For the end of a container that does not live; absent: that of the pod. */
  readonly terminationGracePeriodSeconds?: number;
}

export interface Probes {
  readonly startup?: Probe;
  readonly liveness?: Probe;
  readonly readiness?: Probe;
}

const portForm = { type: 'string', format: 'number or name of a port' } as const;

/** A number, or the name of one of the container's ports. */
const port: Decoder<number | string> = described(portForm, (value, path, report) => {
  if (typeof value === 'number') return portNumber(value, path, report);
  if (typeof value === 'string' && value !== '') return value;
  return report.error(path, `a port or its name is expected, not ${describeValue(value)}`);
});

/**
 * @param port what says where to ask
 * @param word of a command
 */
function actionFields<Port extends number | string>(port: Decoder<Port>, word: Decoder<string> = text) {
  return {
    httpGet: optional(
      object({
        path: defaulted(text, '/', 'Of the request.'),
        port: required(port, 'Of the application.'),
        host: optional(nonEmptyText, 'To connect to, where it is not the instance itself.'),
        scheme: defaulted(oneOf(['HTTP', 'HTTPS']), 'HTTP', 'With HTTPS any certificate will do.'),
        httpHeaders: defaulted(
          list(
            object({
              name: required(headerName, 'Letters, digits, `-` and `_`.'),
              value: defaulted(text, '', 'What it says.'),
            }),
          ),
          [],
          'Of the request.',
        ),
      }),
      'An answer from 200 to 399 is well.',
    ),
    tcpSocket: optional(
      object({
        port: required(port, 'Of the application.'),
        host: optional(nonEmptyText, 'To connect to, where it is not the instance itself.'),
      }),
      'A connection that is made is well.',
    ),
    exec: optional(
      object({ command: required(list(word, 1), 'The program and its arguments.') }),
      'A command that ends with 0 is well.',
    ),
    grpc: optional(
      object({
        port: required(portNumber, 'Of the application.'),
        service: defaulted(text, '', 'That is asked about.'),
      }),
      'The health service of gRPC answers SERVING.',
    ),
  } as const;
}

const headerName: Decoder<string> = refined(nonEmptyText, (name, path, report) =>
  /^[-_A-Za-z0-9]+$/.test(name)
    ? name
    : report.error(path, `${JSON.stringify(name)} is not a name of a header (letters, digits, "-", "_")`),
);

const action = actionFields(port);

/** What is done when a container has started, or before it ends (Kubernetes, `LifecycleHandler`). */
export type Hook =
  | Extract<ProbeAction, { kind: 'httpGet' | 'exec' }>
  | { readonly kind: 'sleep'; readonly seconds: number };

export interface Lifecycle {
  readonly postStart?: Hook;
  readonly preStop?: Hook;
}

const MAX_SECONDS = 2 ** 31 - 1;
const seconds = (least: number): Decoder<number> => integer(least, MAX_SECONDS);

const fields = object(
  {
    ...action,
    initialDelaySeconds: defaulted(seconds(0), 0, 'From the start of the container to the first question.'),
    periodSeconds: defaulted(seconds(1), 10, 'Between questions.'),
    timeoutSeconds: defaulted(seconds(1), 1, 'For an answer.'),
    successThreshold: defaulted(
      integer(1, MAX_SECONDS),
      1,
      'So many answers in a row make it well; only of a readiness probe more than one.',
    ),
    failureThreshold: defaulted(integer(1, MAX_SECONDS), 3, 'So many failures in a row make it unwell.'),
    terminationGracePeriodSeconds: optional(
      seconds(1),
      'For the end of a container that does not live, in place of that of the Pod; not of a readiness probe.',
    ),
  },
  (value, path, report) => atMostOneOf(value, Object.keys(action), 'one is needed', path, report),
);

/** @param kind those that may end a container are decided by one success, and only they know a grace period */
function probeOf(kind: 'readiness' | 'other'): Decoder<Probe> {
  return refined(fields, (decoded, path, report) => {
    const { httpGet, tcpSocket, exec, grpc, ...rest } = decoded;
    if (kind === 'other' && rest.successThreshold !== 1) {
      report.error([...path, 'successThreshold'], 'must be 1 for a liveness or startup probe');
    }
    if (kind === 'readiness' && rest.terminationGracePeriodSeconds !== undefined) {
      report.error([...path, 'terminationGracePeriodSeconds'], 'a readiness probe ends nothing');
    }
    const done = actionOf({ httpGet, tcpSocket, exec, grpc });
    return done && { ...rest, action: done };
  });
}

type WrittenActions<Port extends number | string> = {
  readonly [Name in keyof ObjectOf<ReturnType<typeof actionFields<Port>>>]:
    | ObjectOf<ReturnType<typeof actionFields<Port>>>[Name]
    | undefined;
};

/** Undefined where none is set. */
function actionOf<Port extends number | string>({
  httpGet,
  tcpSocket,
  exec,
  grpc,
}: WrittenActions<Port>): ProbeAction<Port> | undefined {
  if (httpGet !== undefined) {
    const { httpHeaders, ...where } = httpGet;
    return { kind: 'httpGet', ...where, headers: httpHeaders };
  }
  if (tcpSocket !== undefined) return { kind: 'tcpSocket', ...tcpSocket };
  if (exec !== undefined) return { kind: 'exec', ...exec };
  return grpc && { kind: 'grpc', ...grpc };
}

/** Of a WorkloadGroup (Istio, `ReadinessProbe`): ports by number, and whatever is 0 is what it is by default. */
export type GroupProbe = Omit<Probe, 'action' | 'terminationGracePeriodSeconds'> & {
  readonly action: ProbeAction<number>;
};

const orDefault = (fallback: number, about: string): Field<number, 'defaulted'> =>
  defaulted<number>(
    refined(integer(0, MAX_SECONDS), (written) => (written === 0 ? fallback : written)),
    fallback,
    about,
  );

const groupActions = actionFields(portNumber, nonEmptyText);

const groupFields = object(
  {
    ...groupActions,
    initialDelaySeconds: defaulted(seconds(0), 0, 'From the start of the instance to the first question.'),
    periodSeconds: orDefault(10, 'Between questions; 0 is 10.'),
    timeoutSeconds: orDefault(1, 'For an answer; 0 is 1.'),
    successThreshold: orDefault(1, 'So many answers in a row make it well; 0 is 1.'),
    failureThreshold: orDefault(3, 'So many failures in a row make it unwell; 0 is 3.'),
  },
  (value, path, report) => atMostOneOf(value, Object.keys(groupActions), 'one is needed', path, report),
);

export const groupProbe: Decoder<GroupProbe> = refined(groupFields, (decoded) => {
  const { httpGet, tcpSocket, exec, grpc, ...rest } = decoded;
  const done = actionOf({ httpGet, tcpSocket, exec, grpc });
  return done && { ...rest, action: done };
});

const hookFields = object(
  {
    httpGet: action.httpGet,
    exec: action.exec,
    sleep: optional(object({ seconds: required(seconds(0), 'How long.') }), 'It is waited for so long.'),
    tcpSocket: meaningless('Kept in the API for old documents; it does nothing there either.'),
  },
  (value, path, report) => atMostOneOf(value, ['httpGet', 'exec', 'sleep'], 'one is needed', path, report),
);

const hook: Decoder<Hook> = refined(hookFields, (decoded) => {
  const { httpGet, exec, sleep } = decoded;
  if (httpGet !== undefined) {
    const { httpHeaders, ...where } = httpGet;
    return { kind: 'httpGet', ...where, headers: httpHeaders };
  }
  if (exec !== undefined) return { kind: 'exec', ...exec };
  return sleep && { kind: 'sleep', ...sleep };
});

export const lifecycle: Decoder<Lifecycle> = object({
  postStart: optional(hook, 'Done when it has started, and before it counts as started.'),
  preStop: optional(hook, 'Done before it is told to end.'),
  stopSignal: unsupported('adds', 'By which it is told to end: it is SIGTERM.'),
});

export const readinessProbe: Decoder<Probe> = probeOf('readiness');
export const otherProbe: Decoder<Probe> = probeOf('other');
