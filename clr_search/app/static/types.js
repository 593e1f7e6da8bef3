/**
 * The shapes of what the page speaks about; there is no code here.
 */

/**
 * A picture as the grid shows it.
 *
 * @typedef {object} Row
 * @property {number} [id] its id in the collection
 * @property {string} [upload] its token, where it was brought
 * @property {string} [name] name of the file; none where it has been removed
 * @property {string} [folder] folder below the root
 * @property {string | null} [label]
 * @property {number} [w] width in pixels
 * @property {number} [h] height in pixels
 * @property {string} [v] version of the file
 * @property {boolean} [missing] whether its file is gone
 * @property {number} [score] cosine similarity to the query
 * @property {number} [share] share, in per cent, of random pairs that are less alike
 * @property {string} [gone] why an upload is no longer there
 * @property {string} [note] a line that a tab adds
 * @property {string} [badge] a word that a tab adds
 * @property {string} [guess] the class that it is taken for
 * @property {number} [sure] the probability of that
 */

/**
 * A picture of a query.
 *
 * @typedef {object} Term
 * @property {number} [id]
 * @property {string} [upload]
 * @property {number} weight
 * @property {number[]} [crop] left, top, width, height as fractions
 */

/**
 * What the address of the page says.
 *
 * @typedef {object} State
 * @property {string} tab
 * @property {Term[]} terms
 * @property {string} label
 * @property {string} under
 * @property {string} where
 * @property {string} after
 * @property {string} before
 * @property {number} least
 * @property {number} diverse
 * @property {string} sort
 * @property {string} show which of the views of a tab
 * @property {string} of what the view is of, such as a class
 * @property {string} as what that is taken for
 * @property {string} colour what the map is coloured by
 * @property {string} off codes of classes that the map does not show, with dots between
 * @property {string} at middle and zoom of the map
 * @property {string} area corners of an area of the map, whose pictures are listed
 * @property {string} open the group that is looked at, or `alone`
 * @property {number} groups how many groups; 0 for as many as suit the collection
 * @property {string} kind which groups are shown
 * @property {string} order in which order
 * @property {string} pair ids of two pictures that are compared, as in `12-15`
 * @property {number | null} view id of the picture that is looked at
 */

/**
 * A picture of a group of copies.
 *
 * @typedef {Row & {
 *   id: number, keep: boolean, exact: boolean, bytes: number, changed: string,
 *   why: string, turn: string, said: boolean,
 * }} Copy
 */

/**
 * A group of copies.
 *
 * @typedef {object} Group
 * @property {number} place its place in the search, by which the server knows it
 * @property {number} count how many pictures it has; not all of many are shown
 * @property {boolean} exact whether all are the same file
 * @property {number} lowest least cosine similarity
 * @property {number} frees bytes of what could go, as it is proposed
 * @property {boolean} said whether people say that it has no copies
 * @property {number[]} go ids of what could go, as it is proposed
 * @property {Copy[]} copies
 */

/**
 * What the file of a copy is, and how it looks; or why it cannot be read.
 *
 * @typedef {object} Facts
 * @property {number} id
 * @property {string} [unread]
 * @property {string} [kind]
 * @property {boolean} [lossless]
 * @property {string} [exif]
 * @property {string} [taken]
 * @property {string} [camera]
 * @property {boolean} [coloured]
 * @property {number} [detail]
 */

/**
 * A tab: its element, and what shows a state in it.
 *
 * @typedef {object} Panel
 * @property {HTMLElement} element
 * @property {(state: State) => void | Promise<void>} show
 */

/**
 * What tabs use of the page.
 *
 * @typedef {object} App
 * @property {(name: string, args?: object) => Promise<any>} ask
 * @property {() => State} state
 * @property {(changes: Partial<State>, how?: {replace?: boolean}) => void} go
 * @property {(text: string) => void} say tells screen readers
 * @property {(error: unknown) => void} fail shows what went wrong
 * @property {() => void} settle takes away what was shown of a failure
 * @property {any} offers what there is to filter by, and what visitors may do
 * @property {import('./selection.js').Selection} selection
 * @property {(rows: (Row | undefined)[], at: number) => void} look opens the lightbox
 * @property {(row: Row, weight: number) => void} refine adds a picture to the query
 */

export {};
