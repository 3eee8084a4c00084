/** Custom properties in `style`: React passes them through as they are. */
import 'react'

declare module 'react' {
  interface CSSProperties {
    [property: `--${string}`]: string | number
  }
}
