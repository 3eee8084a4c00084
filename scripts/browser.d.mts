/** The path of a Chromium that runs, installed where it is missing; undefined where there is none to be had. */
export declare function obtainBrowser(): Promise<string | undefined>
