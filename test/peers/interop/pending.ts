/**
 * What our proxy does not do yet, by the name of the case, with the reason: such a case must fail, so that it
 * leaves the list with the change that makes it pass.
 */
export const pending: Readonly<Record<string, string>> = {};
