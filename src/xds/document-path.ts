/** Paths into a document, as people read them: `static_resources.listeners[0].metadata["envoy.lb"].key`. */

export type DocumentPath = readonly (string | number)[];

const plainStep = /^[A-Za-z_@#][\w@-]*$/;

export function formatPath(path: DocumentPath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (!plainStep.test(step)) text += `[${JSON.stringify(step)}]`;
    else text += text === '' ? step : `.${step}`;
  }
  return text;
}
