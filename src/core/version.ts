/** The version of this program, equal to the one in `package.json`. */
export const HEDDLE_VERSION = '0.1.0';
